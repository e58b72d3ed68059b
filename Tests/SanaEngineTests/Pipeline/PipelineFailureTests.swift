import CPUBackend
import SanaEngine
import SanaGraph
import Support
import TestSupport
import Testing
import WeightFormats

@Suite struct PipelineFailureTests {
  private let directory: TestDirectory
  private let model: PipelineModel

  init() throws {
    directory = try TestDirectory()
    model = try PipelineModel(path: try ConvertedModels.make("sana-tiny", in: directory))
  }

  /// A component some of whose rows of one tensor, all unless given, are wrong.
  private func damaged(
    _ kind: ComponentKind, _ name: String, value: Float = .nan, rows: Range<Int>? = nil
  ) throws -> MemorySource {
    let source = try model.source(for: kind)
    let description = try #require(source.description(of: name))
    var numbers = [Float](repeating: 0.5, count: description.elementCount)
    for row in rows ?? 0..<description.rows {
      for column in 0..<description.columns {
        numbers[row * description.columns + column] = value
      }
    }
    var damaged = MemorySource(over: source)
    damaged.add(name, description.shape, numbers)
    return damaged
  }

  private func expectNumericalFailure(
    naming names: String..., body: () throws -> Void
  ) {
    let error = #expect(throws: SanaError.self) { try body() }
    #expect(error?.code == .numericalFailure)
    for name in names {
      #expect(error?.message.contains("'\(name)'") == true, "\(error?.message ?? "")")
    }
    #expect(error?.remedy.contains("f32") == false)
  }

  @Test func aTextEncoderThatGoesWrongIsNoticed() throws {
    let stage = try TextEncoderStage(
      model.textEncoder,
      source: try damaged(.textEncoder, "norm.weight"),
      backend: try CPUBackend())
    expectNumericalFailure(naming: "last_hidden_state", "norm.weight") {
      _ = try stage.encode([2, 10, 11])
    }
  }

  @Test func aTransformerThatGoesWrongIsNoticedAtTheFirstStep() throws {
    let stage = DenoiserStage(
      model.transformer,
      source: try damaged(.transformer, "proj_out.bias"),
      backend: try CPUBackend())
    let channels = model.transformer.captionChannels
    let caption = Caption(
      rows: HostTensor(
        .tokens(batch: 1, count: 2, channels: channels),
        [Float](repeating: 0.5, count: 2 * channels)))
    let denoiser = try stage.prepare(
      captions: [caption], height: 2, width: 2, modelTimesteps: [900, 500], guidanceScale: 1)
    expectNumericalFailure(naming: "model_output of step 1", "proj_out.bias") {
      _ = try denoiser.evaluate(
        [Float](repeating: 0, count: denoiser.latentShape.elementCount), step: 0)
    }
  }

  @Test func aDecoderThatGoesWrongIsNoticed() throws {
    let stage = DecoderStage(
      model.autoencoder,
      source: try damaged(.autoencoder, "decoder.conv_out.bias"),
      backend: try CPUBackend())
    let shape = Shape(
      batch: 1, height: 1, width: 1, channels: model.autoencoder.latentChannels)
    expectNumericalFailure(naming: "image_float", "decoder.conv_out.bias") {
      _ = try stage.decode(HostTensor(shape, [Float](repeating: 0, count: shape.elementCount)))
    }
    // By rows, none of which are handed over.
    expectNumericalFailure(naming: "image_float", "decoder.conv_out.bias") {
      try stage.decode(HostTensor(shape, [Float](repeating: 0, count: shape.elementCount))) {
        rows, _ in Issue.record("\(rows)")
      }
    }
  }

  /// Weights that are finite can still be so large that sums are not.
  @Test(arguments: [ComputePrecision.auto, .f32])
  func withoutAGuiltyWeightTheRemedyIsNotWhatWasTried(precision: ComputePrecision) throws {
    let stage = DecoderStage(
      model.autoencoder,
      source: try damaged(
        .autoencoder, "decoder.conv_in.bias",
        value: .greatestFiniteMagnitude),
      backend: try CPUBackend(precision: precision))
    let shape = Shape(
      batch: 1, height: 1, width: 1, channels: model.autoencoder.latentChannels)
    let error = #expect(throws: SanaError.self) {
      _ = try stage.decode(HostTensor(shape, [Float](repeating: 0, count: shape.elementCount)))
    }
    #expect(error?.code == .numericalFailure)
    #expect(error?.message.contains("are finite") == true)
    #expect(error?.message.contains("3.4028235e+38, is in 'decoder.conv_in.bias'") == true)
    #expect(error?.remedy.contains("--precision f32") == (precision == .auto))
  }

  /// Of the table of embeddings only what was read counts.
  @Test func anEmbeddingThatWasNotReadIsNotBlamed() throws {
    let stage = try TextEncoderStage(
      model.textEncoder,
      source: try damaged(.textEncoder, "embed_tokens.weight", rows: 20..<30),
      backend: try CPUBackend())
    #expect(throws: Never.self) { try stage.encode([2, 10, 11]) }
    expectNumericalFailure(naming: "last_hidden_state", "embed_tokens.weight") {
      _ = try stage.encode([2, 25])
    }
  }

  @Test func tokensThatTheEncoderDoesNotHaveAreRefused() throws {
    let stage = try TextEncoderStage(
      model.textEncoder, source: model.source(for: .textEncoder), backend: try CPUBackend())
    for tokens in [[], [-1], [Int32(model.textEncoder.vocabularySize)]] as [[Int32]] {
      let error = #expect(throws: SanaError.self) { try stage.encode(tokens) }
      #expect(error?.code == .invalidArgument)
    }
  }

  @Test func aFileWithoutAllNetworksIsNoPipeline() throws {
    let path = directory.path("transformer.sana")
    try CheckpointConversion(
      OfficialCheckpoint(path: Checkpoints.path("sprint-tiny"), components: [.transformer])
    ).write(to: path)
    let error = #expect(throws: SanaError.self) { try PipelineModel(path: path) }
    #expect(error?.code == .tensorMismatch)
  }

  @Test func cancellationStopsTheRun() throws {
    let token = CancellationToken()
    let pipeline = try Pipeline(
      model: model, backend: try CPUBackend(),
      request: GenerationRequest(
        prompts: ["a fox"], width: 64, height: 64, steps: 20, usesResolutionBinning: false),
      context: RunContext(cancellation: token))
    var steps = 0
    let error = #expect(throws: SanaError.self) {
      try pipeline.run { event in
        if case .progressed(.denoise, let done) = event {
          steps = done
          if done == 3 { token.cancel() }
        }
      }
    }
    #expect(error?.code == .cancelled)
    #expect(steps == 3)
  }
}
