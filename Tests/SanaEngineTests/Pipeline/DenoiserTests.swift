import CPUBackend
import SanaEngine
import SanaGraph
import TestSupport
import Testing
import Traces

/// Image after image, and as one batch.
@Suite struct DenoiserTests {
  private let directory: TestDirectory
  private let model: PipelineModel

  init() throws {
    directory = try TestDirectory()
    model = try PipelineModel(path: try ConvertedModels.make("sana-tiny", in: directory))
  }

  private func caption(tokens: Int, seed: UInt64) -> Caption {
    let shape = Shape.tokens(
      batch: 1, count: tokens, channels: model.transformer.captionChannels)
    var generator = NormalGenerator(seed: seed)
    return Caption(rows: HostTensor(shape, generator.normals(count: shape.elementCount)))
  }

  private func evaluate(
    _ captions: [Caption], _ unconditional: [Caption], _ fusion: GraphBuilder.Fusion
  ) throws -> HostTensor {
    let stage = DenoiserStage(
      model.transformer, source: try model.source(for: .transformer), backend: try CPUBackend())
    let denoiser = try stage.prepare(
      captions: captions, unconditional: unconditional, height: 5, width: 3,
      modelTimesteps: [900, 500], guidanceScale: 4.5, fusion: fusion)
    #expect(
      denoiser.latentShape
        == Shape(
          batch: captions.count, height: 5, width: 3, channels: model.transformer.inputChannels))
    var generator = NormalGenerator(seed: 3)
    return try denoiser.evaluate(
      generator.normals(count: denoiser.latentShape.elementCount), step: 1)
  }

  @Test func imagesAreEvaluatedAsTheirBatchIs() throws {
    let captions = [caption(tokens: 7, seed: 1), caption(tokens: 2, seed: 2)]
    let unconditional = [caption(tokens: 1, seed: 4), caption(tokens: 9, seed: 5)]
    for (captions, unconditional) in [(captions, []), (captions, unconditional)] {
      let batch = try evaluate(captions, unconditional, .observable)
      let images = try evaluate(captions, unconditional, .full)
      #expect(images.shape == batch.shape)
      #expect(images.shape.batch == captions.count + unconditional.count)
      let comparison = try Comparison(reference: batch.values, result: images.values)
      #expect(comparison.signalToNoiseDecibels > 100, "\(comparison)")
    }
  }

  /// Every image has its own caption, the unconditional ones first.
  @Test func theOrderOfTheBatchIsThatOfTheCaptions() throws {
    let captions = [caption(tokens: 7, seed: 1), caption(tokens: 2, seed: 2)]
    let unconditional = [caption(tokens: 1, seed: 4), caption(tokens: 9, seed: 5)]
    let half = try evaluate(captions, unconditional, .full).values
    let swapped = try evaluate(unconditional, captions, .full).values
    #expect(Array(half.suffix(half.count / 2)) == Array(swapped.prefix(half.count / 2)))
    #expect(Array(half.prefix(half.count / 2)) == Array(swapped.suffix(half.count / 2)))
    #expect(half != swapped)
  }
}
