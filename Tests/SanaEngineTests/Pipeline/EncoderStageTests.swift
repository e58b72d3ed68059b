import CPUBackend
import SanaEngine
import SanaGraph
import Support
import TestSupport
import Testing

/// Pictures to latents in any memory.
@Suite struct EncoderStageTests {
  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  private func picture(_ width: Int, _ height: Int) -> HostTensor {
    var random = SplitMix(seed: 9)
    return HostTensor(
      Shape(batch: 1, height: height, width: width, channels: 3),
      random.floats(3 * width * height))
  }

  private func encode(
    _ model: PipelineModel, _ image: HostTensor, limit: Int?, threads: Int
  ) throws -> (latents: HostTensor, peak: Int) {
    let backend = try CPUBackend(threads: threads)
    let stage = EncoderStage(
      model.autoencoder, source: try model.source(for: .autoencoder), backend: backend,
      budget: MemoryBudget(limit: limit))
    let latents = try stage.encode(image)
    return (latents, backend.ledger.peakBytes)
  }

  @Test(arguments: WholeModel.allCases, [nil, "f16", "w8a8"])
  func latentsAreTheSameAtEveryLimit(_ kind: WholeModel, _ recipe: String?) throws {
    let model = try kind.make(recipe, in: directory)
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(seed: seed)
    let (width, height) = (
      32 * Int.random(in: 1...9, using: &random), 32 * Int.random(in: 1...9, using: &random)
    )
    let image = picture(width, height)
    let free = try encode(model, image, limit: nil, threads: 2)
    for isLeast in [true, false] {
      let threads = Int.random(in: 1...3, using: &random)
      let bytes = try EncoderStage(
        model.autoencoder, source: model.source(for: .autoencoder),
        backend: CPUBackend(threads: threads)
      ).memoryBytes(height: height, width: width)
      let limit = isLeast ? bytes.lowerBound : Int.random(in: bytes, using: &random)
      let limited = try encode(model, image, limit: limit, threads: threads)
      let circumstances: Comment =
        "\(limit) bytes, \(threads) threads, \(width)x\(height), seed \(seed)"
      #expect(limited.latents.values == free.latents.values, circumstances)
      #expect(limited.peak <= limit, circumstances)
      let error = #expect(throws: SanaError.self, circumstances) {
        try encode(model, image, limit: bytes.lowerBound - 1, threads: threads)
      }
      #expect(error?.code == .memoryLimit)
    }
  }

  /// The widest activations of a picture of 4096 x 4096 are many times the picture, and never
  /// whole.
  @Test func aLargePictureTakesLittleMoreThanItself() throws {
    let model = try WholeModel.demo.make(nil, in: directory)
    let bytes = try EncoderStage(
      model.autoencoder, source: model.source(for: .autoencoder), backend: CPUBackend(threads: 2)
    ).memoryBytes(height: 4096, width: 4096)
    let picture = 4096 * 4096 * 3 * MemoryLayout<Float>.size
    let widest = 4096 * 4096 * model.autoencoder.encoder[0].channels * MemoryLayout<Float>.size
    #expect(bytes.lowerBound < 2 * picture + widest / 2, "\(bytes), \(widest)")
  }
}
