import ArgumentParser

/// The seed of a run's first picture, as a user names it.
struct Seed: ExpressibleByArgument {
  let value: UInt64

  init(_ value: UInt64) { self.value = value }

  /// A number; `random` or, as other programs have it, `-1` for one that nobody has chosen.
  init?(argument: String) {
    if argument == "random" || argument == "-1" {
      // Few digits are soon typed again.
      value = UInt64.random(in: 0...UInt64(UInt32.max))
    } else if let value = UInt64(argument) {
      self.value = value
    } else {
      return nil
    }
  }

  var defaultValueDescription: String { String(value) }
}
