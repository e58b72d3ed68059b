import ArgumentParser

/// Seeds as a user names them: `0,1,2`.
struct SeedList: ExpressibleByArgument {
  let values: [UInt64]

  init(_ values: [UInt64]) { self.values = values }

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    values = parts.compactMap { UInt64($0) }
    guard values.count == parts.count else { return nil }
  }

  var defaultValueDescription: String { values.map(String.init).joined(separator: ",") }
}
