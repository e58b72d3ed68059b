import ArgumentParser
import CommandLineSupport
import Support
import WeightFormats

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Shows what a .sana file or an official checkpoint holds, without reading its tensors.",
    usage: "sana-convert inspect <model> [<options>]")

  @Argument(
    help: ArgumentHelp(
      "A .sana file; the folder of an official pipeline or component; a .safetensors or .pth file.",
      valueName: "model"))
  var model: String

  @Flag(help: "List every tensor.")
  var tensors = false

  @Flag(help: "Print the licences that travel with the weights.")
  var licences = false

  @Option(
    help: ArgumentHelp(
      "Which weights of a .pth file that holds several.", valueName: "model|ema"))
  var state: StateSelection?

  @Option(
    name: .customLong("lora"),
    help: ArgumentHelp(
      "Say what merging a LoRA into this checkpoint would do; may be repeated.",
      valueName: "file[:scale]"))
  var loras: [AdapterArgument] = []

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    try ToolSession.run { _ in
      guard try ModelFile.isContainer(model) else {
        try inspectCheckpoint()
        return
      }
      guard state == nil, loras.isEmpty else {
        throw SanaError(
          .invalidArgument, "is a .sana file, whose weights are chosen and merged",
          remedy: "drop --state and --lora", location: model)
      }
      let file = try ModelFile(path: model)
      if json {
        try JSONOutput.print(object(file))
      } else {
        let summary = ModelSummary(file, path: model)
        var text = try summary.text()
        if tensors { text += "\n" + summary.tensorTable.text }
        if licences { text += "\n" + summary.licences }
        try OutputStream.standardOutput.write(text)
      }
    }
  }

  private func inspectCheckpoint() throws {
    guard !tensors, !licences else {
      throw SanaError(
        .invalidArgument, "is an official checkpoint, not a .sana file",
        remedy: "convert it first, or drop --tensors and --licences", location: model)
    }
    let summary = CheckpointSummary(
      try CheckpointInventory(path: model, state: state), adapters: try adapterRemarks())
    if json {
      try JSONOutput.print(summary.json)
    } else {
      try OutputStream.standardOutput.write(summary.text)
    }
  }

  /// What a conversion with each of the adapters would say of it, or why it would fail.
  private func adapterRemarks() throws -> [CheckpointSummary.AdapterRemark] {
    guard !loras.isEmpty else { return [] }
    let checkpoint = try OfficialCheckpoint(path: model, state: state)
    return loras.map { lora in
      do {
        let adapter = try LowRankAdapter(path: lora.path, scale: lora.scale)
        return .init(
          path: lora.path, remark: try checkpoint.remarks(merging: adapter).joined(separator: "; "))
      } catch {
        return .init(path: lora.path, remark: "cannot be merged: \(error)")
      }
    }
  }

  private func object(_ file: ModelFile) -> MetadataValue {
    [
      "file": .string(model),
      "bytes": .integer(Int64(file.byteCount)),
      "format_version": .string("\(file.version)"),
      "metadata": file.metadata,
      "components": .array(
        file.components.map { component in
          var members: [MetadataValue.Member] = [
            .init("name", .string(component.name)),
            .init("parameters", .integer(Int64(component.parameterCount))),
            .init("tensor_count", .integer(Int64(component.tensors.count))),
            .init("raw_bytes", .integer(Int64(component.rawByteCount))),
            .init("stored_bytes", .integer(Int64(component.storedByteCount))),
            .init(
              "encodings",
              .object(
                component.encodings.map {
                  .init("\($0.encoding)", .integer(Int64($0.count)))
                })),
            .init("metadata", component.metadata),
          ]
          if tensors {
            members.append(.init("tensors", .array(component.tensors.map(Self.object))))
          }
          return .object(members)
        }),
    ]
  }

  private static func object(_ tensor: TensorEntry) -> MetadataValue {
    [
      "name": .string(tensor.name),
      "shape": .array(tensor.description.shape.map { .integer(Int64($0)) }),
      "encoding": .string("\(tensor.description.encoding)"),
      "quantizes_activations": .bool(tensor.description.activations.isInt8),
      "raw_bytes": .integer(Int64(tensor.rawByteCount)),
      "stored_bytes": .integer(Int64(tensor.storedByteCount)),
      "metadata": tensor.metadata,
    ]
  }
}

extension ComponentEntry {
  /// Numbers in the weights as stored: the kernels of upsampling blocks count 16 taps for the official 9.
  var parameterCount: Int {
    tensors.reduce(0) { total, tensor in
      if case .plain = tensor.description.encoding { return total }
      return InstructionTensors.contain(tensor.name, in: kind) || InputFactors.isName(tensor.name)
        ? total : total + tensor.description.elementCount
    }
  }

  /// Tensors that are stored alike.
  struct EncodingGroup {
    let label: String
    let tensors: [TensorEntry]

    var numberCount: Int { tensors.reduce(0) { $0 + $1.description.elementCount } }
    var rawByteCount: Int { tensors.reduce(0) { $0 + $1.rawByteCount } }
    var storedByteCount: Int { tensors.reduce(0) { $0 + $1.storedByteCount } }
  }

  /// The tensors by the way they are stored, most bytes first.
  var encodingGroups: [EncodingGroup] {
    Dictionary(grouping: tensors, by: \.description.encodingLabel)
      .map { EncodingGroup(label: $0.key, tensors: $0.value) }
      .sorted { ($0.rawByteCount, $1.label) > ($1.rawByteCount, $0.label) }
  }

  /// How many tensors are of each encoding, most frequent first.
  fileprivate var encodings: [(encoding: TensorEncoding, count: Int)] {
    let counts = tensors.reduce(into: [TensorEncoding: Int]()) {
      $0[$1.description.encoding, default: 0] += 1
    }
    return counts.map { ($0.key, $0.value) }.sorted {
      ($0.1, "\($1.0)") > ($1.1, "\($0.0)")
    }
  }
}

extension TensorDescription {
  /// `int8` where the inputs stay floating point, `int8 x int8` where they are quantized too.
  var encodingLabel: String {
    switch activations.planes {
    case 0: "\(encoding)"
    case 1: "\(encoding) x int8"
    default: "\(encoding) x 2 int8"
    }
  }
}
