import CPUBackend
import Foundation
import SanaEngine
import SanaGraph
import SanaModels
import TestSupport
import Testing
import Traces
import WeightFormats

/// A checkpoint of released size against one forward pass of PyTorch in f32.
///
/// Runs where `SANA_FULLSIZE` names a folder made by the reference's `make_reference.py fullsize`, with what its `--forward` recorded
/// under `goldens/`. It takes minutes and gigabytes, so it is no part of an ordinary run.
@Suite(.enabled(if: FullSizeCheckpoint.folder != nil, "SANA_FULLSIZE is not set"), .serialized)
struct FullSizeParityTests {
  @Test func transformerStep() throws {
    guard let checkpoint = try FullSizeCheckpoint.open(.transformer, recording: "transformer_1024")
    else { return }
    guard case .transformer(let configuration) = checkpoint.configuration else { return }
    let (model, trace) = (checkpoint.model, checkpoint.trace)
    let transformer = LinearDiffusionTransformer(configuration)

    let counts = try trace.int32("encoder_attention_mask").tokenCounts
    let captions = HostTensor(try trace.floats("encoder_hidden_states"))
      .prefix(positions: counts[0])
    let prompt = transformer.promptGraph(tokens: counts[0], batch: 1)
    let promptRun = try model.prepare(prompt.graph)
    promptRun.write(captions, to: prompt.captions)
    try promptRun.run(observer: nil)

    let timestep = transformer.timestepGraph(steps: 1)
    let timestepRun = try model.prepare(timestep.graph)
    timestepRun.write(HostTensor(try trace.floats("timestep")), to: timestep.timesteps)
    try timestepRun.run(observer: nil)

    let latents = HostTensor(try trace.floats("hidden_states"))
    let step = transformer.stepGraph(
      height: latents.shape.height, width: latents.shape.width, batch: 1, tokens: counts[0])
    let stepRun = try model.prepare(step.graph)
    stepRun.write(latents, to: step.latents)
    stepRun.write(timestepRun.read(timestep.modulation), to: step.modulation)
    stepRun.write(timestepRun.read(timestep.embeddedTimestep), to: step.embeddedTimestep)
    for (made, taken) in zip(prompt.outputs, step.captionInputs) {
      stepRun.write(promptRun.read(made), to: taken)
    }
    stepRun.write(
      HostTensor(.tokens(batch: 1, count: 1, channels: 1), integers: [Int32(counts[0])]),
      to: step.tokenCounts)
    try stepRun.run(observer: nil)

    let comparison = try Comparison(
      recorded: trace.floats("sample"), result: stepRun.read(step.modelOutput))
    try checkpoint.check(comparison, "sample")
  }

  @Test func decodedImage() throws {
    guard let checkpoint = try FullSizeCheckpoint.open(.autoencoder, recording: "vae_1024") else {
      return
    }
    guard case .autoencoder(let configuration) = checkpoint.configuration else { return }
    let latents = HostTensor(try checkpoint.trace.floats("latent"))
    let decoder = AutoencoderDecoder(configuration).graph(
      height: latents.shape.height, width: latents.shape.width, batch: 1)
    let executable = try checkpoint.model.prepare(decoder.graph)
    executable.write(latents, to: decoder.latents)
    try executable.run(observer: nil)

    let image = executable.read(decoder.image)
    let recorded = try checkpoint.trace.floats("image_every_4th_pixel")
    let comparison = try Comparison(
      reference: recorded.values, result: image.everyFourthPixelChannelsFirst)
    try checkpoint.check(comparison, "image")
  }

  @Test func lastHiddenState() throws {
    guard let checkpoint = try FullSizeCheckpoint.open(.textEncoder, recording: "text_encoder")
    else { return }
    guard case .textEncoder(let configuration) = checkpoint.configuration else { return }
    let count = try checkpoint.trace.int32("attention_mask").tokenCounts[0]
    let identifiers = Array(try checkpoint.trace.int32("input_ids").values.prefix(count))
    let encoder = GemmaEncoder(configuration).graph(tokens: count, batch: 1)
    let executable = try checkpoint.model.prepare(encoder.graph)
    executable.write(
      HostTensor(.tokens(batch: 1, count: count, channels: 1), integers: identifiers),
      to: encoder.inputIdentifiers)
    try executable.run(observer: nil)

    let recorded = try checkpoint.trace.floats("last_hidden_state")
    let result = executable.read(encoder.lastHiddenState)
    let comparison = try Comparison(recorded: recorded, result: result, tokenCounts: [count])
    // Over 26 layers PyTorch's own f32 is 89.5 dB from a computation in f64.
    try checkpoint.check(comparison, "last_hidden_state", minimumDecibels: 80)
  }
}

/// One component of the full-size checkpoint, on the CPU in f32.
private struct FullSizeCheckpoint {
  static let folder = ProcessInfo.processInfo.environment["SANA_FULLSIZE"].map { URL(filePath: $0) }

  let configuration: ComponentConfiguration
  let model: any ResidentModel
  let trace: TraceFile

  /// - Returns: `nil` where the folder lacks the recording.
  static func open(_ kind: ComponentKind, recording: String) throws -> FullSizeCheckpoint? {
    let folder = try #require(folder)
    let file = folder.appending(path: "goldens/\(recording).h5").path
    guard FileManager.default.fileExists(atPath: file) else { return nil }
    let component = try #require(
      try OfficialCheckpoint(path: folder.path, components: [kind]).components.first)
    let source = try FusedCheckpointSource(component)
    return FullSizeCheckpoint(
      configuration: component.configuration,
      model: try CPUBackend(precision: .f32).load(source),
      trace: try TraceFile(path: file))
  }

  func check(
    _ comparison: Comparison, _ name: String,
    minimumDecibels: Double = RecordedNetwork.minimumDecibels
  ) throws {
    print("full size, \(name): \(comparison.signalToNoiseDecibels) dB")
    #expect(comparison.signalToNoiseDecibels >= minimumDecibels, "\(name)")
  }
}

extension HostTensor {
  /// Rows and columns 0, 4, 8, ..., as `[batch, channels, height / 4, width / 4]`.
  fileprivate var everyFourthPixelChannelsFirst: [Float] {
    let values = values
    var result: [Float] = []
    for batch in 0..<shape.batch {
      for channel in 0..<shape.channels {
        for y in stride(from: 0, to: shape.height, by: 4) {
          for x in stride(from: 0, to: shape.width, by: 4) {
            let position = (batch * shape.height + y) * shape.width + x
            result.append(values[position * shape.channels + channel])
          }
        }
      }
    }
    return result
  }
}
