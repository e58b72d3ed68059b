public import ArgumentParser
import CommandLineSupport
internal import Support
public import WeightFormats

struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Converts an official checkpoint to one .sana file.",
    usage: "sana-convert [convert] <checkpoint> --output <model.sana> [<options>]")

  @Argument(
    help: ArgumentHelp(
      "The folder of a pipeline (with model_index.json) or of one component (with config.json), or a .safetensors or .pth file.",
      valueName: "checkpoint"))
  var checkpoint: String

  @Option(
    name: .shortAndLong, help: ArgumentHelp("The file to write.", valueName: "model.sana"))
  var output: String

  @Option(help: "How numbers are stored: keep, f32, f16 or bf16.")
  var precision = StoragePrecision.keep

  @Option(
    help: ArgumentHelp(
      "Take the weights of a variant (*.fp16.safetensors) where a component has them.",
      valueName: "fp16|bf16"))
  var variant: String?

  @Option(
    help: ArgumentHelp(
      "Convert these only: text-encoder, transformer, autoencoder.", valueName: "a,b,..."))
  var components: ComponentSelection?

  @Option(
    help: ArgumentHelp(
      "Put this autoencoder in the place of the checkpoint's: the folder of an autoencoder or of a pipeline that has one, or a file of weights.",
      valueName: "checkpoint"))
  var autoencoder: String?

  @Option(
    help: ArgumentHelp(
      "Which weights of a .pth file that holds several: the trained ones, or their moving average.",
      valueName: "model|ema"))
  var state: StateSelection?

  @Option(
    name: .customLong("lora"),
    help: ArgumentHelp(
      "Merge a LoRA, DoRA, LoKr or LoHa into the transformer (and the text encoder), at a strength (1 if none is named); may be repeated.",
      valueName: "file[:scale]"))
  var loras: [AdapterArgument] = []

  @Flag(
    name: .customLong("allow-non-finite"),
    help: "Keep NaN and infinities that the weights hold instead of refusing them.")
  var allowsNotFinite = false

  @Option(help: .compression)
  var compression = ContainerCompression.fast

  @Flag(help: "Print what each stage took.")
  var timings = false

  func run() throws {
    try ToolSession.run { session in
      let start = ContinuousClock.now
      let official =
        if let autoencoder {
          try OfficialCheckpoint(
            path: checkpoint, autoencoder: autoencoder, variant: variant,
            components: components?.kinds, state: state)
        } else {
          try OfficialCheckpoint(
            path: checkpoint, variant: variant, components: components?.kinds, state: state)
        }
      _ = try OutputFile(output, .model, reading: inputs(of: official))
      let conversion = try CheckpointConversion(
        official, precision: precision,
        adapters: try loras.map { try LowRankAdapter(path: $0.path, scale: $0.scale) },
        allowsNotFinite: allowsNotFinite)
      for notice in conversion.notices { session.progress.note(notice) }
      session.progress.begin("convert", total: conversion.byteCount)
      let times = StageTimes()
      let report = try conversion.write(
        to: output,
        provenance: [
          .init("tool", "sana-convert"), .init("tool_version", .string(Toolchain.version)),
        ],
        compression: compression, times: times, cancellation: session.cancellation
      ) { session.progress.update($0) }
      session.progress.end()
      if let kept = report.keptNumbers { session.progress.note(kept) }
      if let most = report.vanished.first {
        let count = report.vanished.reduce(0) { $0 + $1.count }
        session.progress.note(
          "\(count) numbers of \(report.vanished.count) tensors are too small for 16 bits and became zero, most of"
            + " them in \(most.tensor) (\(most.count))")
      }
      guard let model = try session.openWritten(output) else { return }
      let tensors = model.components.reduce(0) { $0 + $1.tensors.count }
      try OutputStream.standardOutput.writeLine(
        "\(output.printablePath): \(tensors) tensors of \(model.components.map(\.name).joined(separator: ", ")), "
          + "\(ByteSize(model.byteCount)) (\(ByteSize(conversion.byteCount)) uncompressed), "
          + (ContinuousClock.now - start).readable)
      if timings { try OutputStream.standardOutput.write("\n" + times.text) }
    }
  }
}

extension StoragePrecision: ExpressibleByArgument {}

extension Convert {
  /// The checkpoint's files, the adapters', and the documents beside an adapter.
  private func inputs(of official: OfficialCheckpoint) -> InputFiles {
    let folders = Set(loras.map { FileSystem.parent(of: $0.path) })
    return InputFiles(
      official.inputPaths + loras.map(\.path) + folders.flatMap(InputFiles.documents))
  }
}

extension StateSelection: ExpressibleByArgument {}

/// A comma-separated list of components.
struct ComponentSelection: ExpressibleByArgument {
  let kinds: Set<ComponentKind>

  init?(argument: String) {
    var kinds: Set<ComponentKind> = []
    for name in argument.split(separator: ",", omittingEmptySubsequences: false) {
      guard let kind = ComponentKind(rawValue: String(name)) else { return nil }
      kinds.insert(kind)
    }
    self.kinds = kinds
  }
}

/// A file, and a number after its last colon.
struct AdapterArgument: ExpressibleByArgument {
  let path: String
  let scale: Double

  init(argument: String) {
    if let colon = argument.lastIndex(of: ":"),
      let scale = Double(argument[argument.index(after: colon)...])
    {
      path = String(argument[..<colon])
      self.scale = scale
    } else {
      path = argument
      scale = 1
    }
  }
}
