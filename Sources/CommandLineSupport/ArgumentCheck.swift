internal import ArgumentParser
internal import Support

/// What stands before ArgumentParser, which takes the last of two values in silence, takes no value
/// that begins with a dash, and reports a missing argument before an unknown option, though it may
/// be that one misspelt.
///
/// It knows a tool's options from the description that ArgumentParser gives of them.
struct ArgumentCheck {
  /// Says which argument is wrong, in the manner of ArgumentParser.
  struct WrongWord: Error {
    let message: String
  }

  private struct Option {
    let name: String
    let takesValue: Bool
    let isRepeating: Bool
  }

  /// By their spellings: `--output`, `-o`.
  private let options: [String: Option]
  /// The command that the arguments are for.
  let command: any ParsableCommand.Type
  /// Where the options begin: after the name of a command, if there is one.
  private let start: Int
  private let arguments: [String]

  /// - Throws: never but for a description that is none, which would be a fault of this program.
  init(_ root: any ParsableCommand.Type, _ arguments: [String]) throws(SanaError) {
    self.arguments = arguments
    let named = root.configuration.subcommands.first { $0._commandName == arguments.first }
    start = named == nil ? 0 : 1
    command = named ?? root.configuration.defaultSubcommand ?? root
    let text = Array(command._dumpHelp().utf8)
    let description = try text.withUnsafeBytes { bytes in
      Result { () throws(SanaError) in try JSONParser.parse(bytes, location: "the options") }
    }.get()
    var options: [String: Option] = [:]
    for argument in description["command"]?["arguments"]?.arrayValue ?? [] {
      let spellings = (argument["names"]?.arrayValue ?? []).compactMap(Self.spelling)
      guard let name = spellings.max(by: { $0.utf8.count < $1.utf8.count }) else { continue }
      for spelling in spellings {
        options[spelling] = Option(
          name: name, takesValue: argument["kind"]?.stringValue == "option",
          isRepeating: argument["isRepeating"]?.boolValue ?? false)
      }
    }
    self.options = options
  }

  private static func spelling(_ name: MetadataValue) -> String? {
    name["name"]?.stringValue.map { name["kind"]?.stringValue == "short" ? "-\($0)" : "--\($0)" }
  }

  /// The arguments as ArgumentParser understands them: a value that begins with a dash is joined to
  /// its option.
  /// - Throws: `WrongWord`.
  func checked() throws -> [String] {
    var result = Array(arguments[..<start])
    var given: Set<String> = []
    var unknown: String?
    var index = start
    while index < arguments.count {
      let argument = arguments[index]
      index += 1
      guard argument.hasPrefix("-"), argument != "-" else {
        result.append(argument)
        continue
      }
      guard argument != "--" else {
        result += arguments[(index - 1)...]
        break
      }
      let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let spelling = String(parts[0])
      // Whoever asks for help is not told of mistakes.
      if Self.builtIn.contains(spelling) { return arguments }
      guard let option = options[spelling] else {
        unknown = unknown ?? spelling
        result.append(argument)
        continue
      }
      guard option.takesValue else {
        result.append(argument)
        continue
      }
      if !option.isRepeating, !given.insert(option.name).inserted {
        throw WrongWord(message: "The option '\(option.name)' is given twice; give it once")
      }
      if parts.count == 2 {
        result += parts[1].isEmpty ? [spelling, ""] : [argument]
      } else if index < arguments.count {
        result += try joined(spelling, value: arguments[index])
        index += 1
      } else {
        result.append(argument)
      }
    }
    if let unknown { throw WrongWord(message: message(unknown: unknown)) }
    return result
  }

  private static let builtIn: Set<String> = [
    "-h", "--help", "--help-hidden", "--version", "--experimental-dump-help",
    "--generate-completion-script",
  ]

  private func joined(_ spelling: String, value: String) throws -> [String] {
    let name = String(value.prefix { $0 != "=" })
    guard options[name] == nil, !Self.builtIn.contains(name), value != "--" else {
      throw WrongWord(
        message:
          "Missing value for '\(spelling)'; if '\(value.abbreviated)' is meant to be it, write '\(spelling)=\(value.abbreviated)'"
      )
    }
    return value.hasPrefix("-") && value != "-" ? ["\(spelling)=\(value)"] : [spelling, value]
  }

  private func message(unknown: String) -> String {
    let nearest = options.keys.map { (name: $0, distance: Self.distance($0, unknown)) }
      .filter { $0.name.hasPrefix("--") && 3 * $0.distance <= unknown.utf8.count }
      .min { ($0.distance, $0.name) < ($1.distance, $1.name) }
    return "Unknown option '\(unknown.abbreviated)'"
      + (nearest.map { "; did you mean '\($0.name)'?" } ?? "")
  }

  /// How many letters must be inserted, removed or replaced to make one word of the other
  /// (Levenshtein).
  private static func distance(_ first: String, _ second: String) -> Int {
    let second = Array(second.utf8.prefix(40))
    var row = Array(0...second.count)
    for (index, letter) in first.utf8.enumerated() {
      var diagonal = row[0]
      row[0] = index + 1
      for (column, other) in second.enumerated() {
        let replaced = diagonal + (letter == other ? 0 : 1)
        diagonal = row[column + 1]
        row[column + 1] = min(replaced, row[column] + 1, diagonal + 1)
      }
    }
    return row[second.count]
  }
}
