import CommandLineSupport
import Support
import WeightFormats

/// What `inspect` prints of an official checkpoint.
struct CheckpointSummary {
  /// What merging an adapter into the checkpoint would do.
  struct AdapterRemark {
    let path: String
    let remark: String
  }

  /// As long as an error, which a remark may quote.
  private static let longestRemark = 1000

  private let inventory: CheckpointInventory
  private let adapters: [AdapterRemark]

  init(_ inventory: CheckpointInventory, adapters: [AdapterRemark] = []) {
    self.inventory = inventory
    self.adapters = adapters
  }

  // MARK: - For people

  var text: String {
    var text = "\(inventory.path.printablePath): official checkpoint"
    text += inventory.pipelineClass.map { ", \($0.abbreviated)\n" } ?? "\n"
    text += FactList.text(facts)
    text += "\n" + table.text + states
    let notices = inventory.conversion.notices
    let remarks =
      inventory.parts.flatMap { part in
        // What the conversion says is said below.
        let own = part.notices.filter { notice in !notices.contains { $0.hasSuffix(notice) } }
        return (own + (part.remark.map { [$0] } ?? [])).map {
          "\(part.name.abbreviated): \($0.printable(limit: Self.longestRemark))\n"
        }
      }
      + adapters.map {
        "--lora \($0.path.printablePath): \($0.remark.printable(limit: Self.longestRemark))\n"
      }
    return text + (remarks.isEmpty ? "" : "\n") + remarks.joined()
      + verdict(after: remarks.joined())
  }

  /// What a conversion says, where no remark says it already.
  private func verdict(after remarks: String) -> String {
    var lines = inventory.conversion.notices.map {
      "note: \($0.printable(limit: Self.longestRemark))\n"
    }
    if let error = inventory.conversion.error, !remarks.contains(error.description) {
      lines.append("a conversion fails: \(error)\n")
    }
    return lines.isEmpty ? "" : "\n" + lines.joined()
  }

  private var facts: [(title: String, value: String)] {
    var facts: [(title: String, value: String)] = []
    if let scheduler = inventory.scheduler?.summary
      ?? inventory.schedulerClass.map({ "\($0), which cannot be run" })
    {
      facts.append(("scheduler", scheduler))
    }
    for part in inventory.parts {
      guard let configuration = part.configuration else { continue }
      facts.append((part.name, configuration.summary))
    }
    return facts
  }

  /// The dictionaries of weights in torch files that hold more than one, or one under a name.
  private var states: String {
    var table = TextTable([
      .init("state"), .init("tensors", .right), .init("numbers", .right), .init("size", .right),
      .init(""),
    ])
    var isEmpty = true
    for files in inventory.parts.flatMap(\.fileSets) {
      for state in files.states where !state.name.isEmpty {
        isEmpty = false
        table.append([
          state.name.abbreviated, String(state.tensorCount), String(state.parameterCount),
          "\(ByteSize(state.byteCount))",
          state.name == files.state ? "taken" : "--state \(files.selector(of: state))",
        ])
      }
    }
    return isEmpty ? "" : "\n" + table.text
  }

  private var table: TextTable {
    var table = TextTable([
      .init("part"), .init("class"), .init("release"), .init("variant"), .init("format"),
      .init("types"), .init("tensors", .right), .init("numbers", .right), .init("files", .right),
      .init("size", .right),
    ])
    for part in inventory.parts {
      let start = [
        part.name, part.className ?? "-",
        part.releases.isEmpty ? "-" : part.releases.joined(separator: " or "),
      ]
      if part.fileSets.isEmpty { table.append(start) }
      for files in part.fileSets {
        table.append(
          start + [
            files.variant ?? "-",
            files.format.rawValue + (files.hasOriginalNames ? ", original names" : ""),
            files.types.map { $0.type.label }.joined(separator: ", "),
            String(files.tensorCount), String(files.parameterCount), String(files.fileNames.count),
            "\(ByteSize(files.byteCount))",
          ])
      }
    }
    return table
  }

  // MARK: - For programs

  var json: MetadataValue {
    [
      "path": .string(inventory.path),
      "form": "checkpoint",
      "pipeline": inventory.pipelineClass.map { .string($0) } ?? .null,
      "scheduler": inventory.scheduler.map { .string($0.summary) } ?? .null,
      "scheduler_class": inventory.schedulerClass.map { .string($0) } ?? .null,
      "conversion": [
        "notes": .array(inventory.conversion.notices.map { .string($0) }),
        "error": inventory.conversion.error.map { .string($0.description) } ?? .null,
      ],
      "parts": .array(inventory.parts.map(Self.json)),
      "loras": .array(
        adapters.map { ["file": .string($0.path), "remark": .string($0.remark)] }),
    ]
  }

  private static func json(_ part: CheckpointInventory.Part) -> MetadataValue {
    [
      "name": .string(part.name),
      "class": part.className.map { .string($0) } ?? .null,
      "component": part.kind.map { .string($0.rawValue) } ?? .null,
      "releases": .array(part.releases.map { .string($0) }),
      "configuration": part.configuration.map { .string($0.summary) } ?? .null,
      "file_sets": .array(part.fileSets.map(json)),
      "notices": .array(part.notices.map { .string($0) }),
      "remark": part.remark.map { .string($0) } ?? .null,
    ]
  }

  private static func json(_ files: CheckpointInventory.FileSet) -> MetadataValue {
    [
      "variant": files.variant.map { .string($0) } ?? .null,
      "format": .string(files.format.rawValue),
      "original_names": .bool(files.hasOriginalNames),
      "files": .array(files.fileNames.map { .string($0) }),
      "states": .array(
        files.states.map { state in
          [
            "name": .string(state.name),
            "is_average": .bool(state.isAverage),
            "is_taken": .bool(state.name == files.state),
            "tensor_count": .integer(Int64(state.tensorCount)),
            "parameters": .integer(Int64(state.parameterCount)),
            "bytes": .integer(Int64(state.byteCount)),
          ]
        }),
      "bytes": .integer(Int64(files.byteCount)),
      "tensor_count": .integer(Int64(files.tensorCount)),
      "parameters": .integer(Int64(files.parameterCount)),
      "types": .object(
        files.types.map { .init($0.type.label, .integer(Int64($0.count))) }),
    ]
  }
}

extension ScalarType {
  /// As encodings are written: `bf16`, `I64`.
  fileprivate var label: String { self == .f64 ? "f64" : "\(encoding)" }
}

extension CheckpointInventory.FileSet {
  /// What asks for one of the states.
  fileprivate func selector(of state: StateDictionary) -> String {
    state == states.first(where: \.isAverage) ? "ema" : state.name.abbreviated
  }

  /// The types of the numbers, most frequent first.
  fileprivate var types: [(type: ScalarType, count: Int)] {
    numberCounts.map { ($0.key, $0.value) }
      .sorted { ($0.1, $1.0.rawValue) > ($1.1, $0.0.rawValue) }
  }
}
