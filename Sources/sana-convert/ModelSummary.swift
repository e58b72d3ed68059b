import CommandLineSupport
import Support
import WeightFormats

/// What `inspect` prints for people.
struct ModelSummary {
  private let path: String
  private let file: ModelFile

  init(_ file: ModelFile, path: String) {
    self.file = file
    self.path = path
  }

  /// - Throws: when a configuration that the file holds is none.
  func text() throws -> String {
    var text = "\(path.printablePath): .sana version \(file.version), \(ByteSize(file.byteCount))\n"
    text += try FactList.text(facts)
    text += "\n" + componentTable.text
    if let sources = sourceTable { text += "\n" + sources.text }
    return text
  }

  /// One line a tensor.
  var tensorTable: TextTable {
    var table = TextTable([
      .init("tensor"), .init("shape"), .init("encoding"), .init("uncompressed", .right),
      .init("stored", .right),
    ])
    for component in file.components {
      for tensor in component.tensors {
        table.append([
          "\(component.name)/\(tensor.name)",
          tensor.description.shape.map(String.init).joined(separator: "x"),
          tensor.description.encodingLabel, "\(ByteSize(tensor.rawByteCount))",
          "\(ByteSize(tensor.storedByteCount))",
        ])
      }
    }
    return table
  }

  /// The licences that travel with the weights, in full.
  var licences: String {
    let members = file.metadata["licences"]?.members ?? []
    guard !members.isEmpty else { return "The file holds no licence.\n" }
    return members.map { licence in
      // The one text that is shown with its lines as they are.
      let contents = (licence.value.stringValue ?? "(not a text)").withPlainWhitespace
      return "--- \(licence.name.abbreviated)\n" + contents + (contents.hasSuffix("\n") ? "" : "\n")
    }.joined()
  }

  private var scheduler: String? {
    if let scheduler = (try? file.schedulerConfiguration()) ?? nil { return scheduler.summary }
    return file.schedulerClass.map { "\($0), which cannot be run" }
  }

  private var facts: [(title: String, value: String)] {
    get throws {
      var facts: [(title: String, value: String)] = []
      if let pipeline = file.pipelineClass { facts.append(("pipeline", pipeline)) }
      if let scheduler { facts.append(("scheduler", scheduler)) }
      for component in file.components {
        guard let kind = component.kind else { continue }
        facts.append((component.name, try file.configuration(of: kind).summary))
      }
      if let quantization = file.metadata["quantization"] {
        let rules = quantization["rules"]?.arrayValue?.compactMap(\.stringValue) ?? []
        let recipe = quantization["recipe"]?.stringValue ?? "unknown"
        facts.append(("recipe", ([recipe] + rules.map { "rule \($0)" }).joined(separator: ", ")))
      }
      if let provenance = file.metadata["provenance"] {
        let tool = ["tool", "tool_version"].compactMap { provenance[$0]?.stringValue }
        let precision = provenance["precision"]?.stringValue.map { ["precision \($0)"] } ?? []
        let made = [tool.joined(separator: " ")] + precision
        facts.append(("converted by", made.filter { !$0.isEmpty }.joined(separator: ", ")))
      }
      for licence in file.metadata["licences"]?.members ?? [] {
        let lines = licence.value.stringValue?.split(separator: "\n") ?? []
        let title = lines.map { $0.trimmed }.first { !$0.isEmpty } ?? ""
        facts.append(("licence", "\(licence.name): \(title) (--licences shows all)"))
      }
      return facts
    }
  }

  private var componentTable: TextTable {
    var table = TextTable([
      .init("component"), .init("encoding"), .init("tensors", .right), .init("numbers", .right),
      .init("uncompressed", .right), .init("stored", .right),
    ])
    for component in file.components {
      for group in component.encodingGroups {
        table.append([
          component.name, group.label, String(group.tensors.count), String(group.numberCount),
          "\(ByteSize(group.rawByteCount))", "\(ByteSize(group.storedByteCount))",
        ])
      }
    }
    table.append([
      "total", "", String(file.components.reduce(0) { $0 + $1.tensors.count }),
      String(file.components.reduce(0) { $0 + $1.parameterCount }),
      "\(ByteSize(file.components.reduce(0) { $0 + $1.rawByteCount }))",
      "\(ByteSize(file.components.reduce(0) { $0 + $1.storedByteCount }))",
    ])
    return table
  }

  private var sourceTable: TextTable? {
    guard let files = file.metadata["provenance"]?["files"]?.arrayValue, !files.isEmpty else {
      return nil
    }
    var table = TextTable([
      .init("made from"), .init("component"), .init("size", .right), .init("SHA-256"),
    ])
    for file in files {
      var size = ""
      if case .integer(let bytes)? = file["bytes"], let bytes = Int(exactly: bytes) {
        size = "\(ByteSize(bytes))"
      }
      table.append([
        [file["folder"], file["name"]].compactMap { $0?.stringValue }.joined(separator: "/"),
        file["component"]?.stringValue ?? "", size,
        file["sha256"]?.stringValue ?? "",
      ])
    }
    return table
  }
}

extension String {
  /// The text with spaces for tabs, and line feeds for every other way to end a line or page.
  fileprivate var withPlainWhitespace: String {
    var text = ""
    // A carriage return and the line feed after it are one character.
    for character in self {
      switch character {
      case "\t": text += "    "
      case "\r\n", "\r", "\u{0C}", "\u{2028}", "\u{2029}", "\u{85}": text += "\n"
      default: text.append(character)
      }
    }
    return text
  }
}

extension Substring {
  fileprivate var trimmed: Substring {
    let start = drop { $0.isWhitespace }
    guard let end = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return start[...end]
  }
}
