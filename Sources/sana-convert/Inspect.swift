import ArgumentParser
import CommandLineSupport
import WeightFormats

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Shows what a .sana file holds, without reading its tensors.")

  @Argument(help: ArgumentHelp("The file to show.", valueName: "model.sana"))
  var model: String

  @Flag(help: "List every tensor.")
  var tensors = false

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    try ToolSession.run { _ in
      let file = try ModelFile(path: model)
      if json {
        JSONOutput.print(object(file))
      } else {
        OutputStream.standardOutput.write(try text(file))
      }
    }
  }

  private func text(_ file: ModelFile) throws -> String {
    var text = "\(model): .sana version \(file.version), \(ByteSize(file.byteCount))\n"
    if let pipeline = file.pipelineClass { text += "pipeline   \(pipeline)\n" }
    if let scheduler = try file.schedulerConfiguration() {
      text += "scheduler  \(Self.describe(scheduler))\n"
    }
    for (name, value) in file.metadata["provenance"]?.members?.map({ ($0.name, $0.value) }) ?? [] {
      if let value = value.stringValue { text += "\(name)  \(value)\n" }
    }
    var table = TextTable([
      .init("component"), .init("tensors", .right), .init("parameters", .right),
      .init("encodings"), .init("uncompressed", .right), .init("stored", .right),
    ])
    for component in file.components {
      table.append([
        component.name, String(component.tensors.count), String(component.parameterCount),
        component.encodings.map { "\($0.count) \($0.encoding)" }.joined(separator: ", "),
        "\(ByteSize(component.rawByteCount))", "\(ByteSize(component.storedByteCount))",
      ])
    }
    text += "\n" + table.text
    return tensors ? text + "\n" + tensorTable(file).text : text
  }

  private func tensorTable(_ file: ModelFile) -> TextTable {
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
      "quantizes_activations": .bool(tensor.description.activations == .int8PerToken),
      "raw_bytes": .integer(Int64(tensor.rawByteCount)),
      "stored_bytes": .integer(Int64(tensor.storedByteCount)),
      "metadata": tensor.metadata,
    ]
  }

  private static func describe(_ scheduler: SchedulerConfiguration) -> String {
    switch scheduler {
    case .dpmSolver(let flowShift, let timesteps):
      "DPM-Solver++, flow shift \(flowShift), \(timesteps) training steps"
    case .flowEuler(let shift, let timesteps):
      "flow-match Euler, shift \(shift), \(timesteps) training steps"
    case .consistency(let sigmaData, let timesteps):
      "SCM (TrigFlow), sigma data \(sigmaData), \(timesteps) training steps"
    }
  }
}

extension ComponentEntry {
  /// Numbers in the weights as stored: the kernels of upsampling blocks count 16 taps for the official 9.
  fileprivate var parameterCount: Int {
    tensors.reduce(0) { total, tensor in
      if case .plain = tensor.description.encoding {
        total
      } else {
        total + tensor.description.elementCount
      }
    }
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
  fileprivate var encodingLabel: String {
    activations == .int8PerToken ? "\(encoding) x int8" : "\(encoding)"
  }
}
