import CPUBackend
import SanaEngine
import SanaGraph
import TestSupport
import Testing
import Traces
import WeightFormats

/// From a prompt and a seed to the picture that the official pipeline draws.
@Suite struct PipelineParityTests {
  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  private func picture(
    _ path: String, _ request: GenerationRequest
  ) throws -> RGBImage {
    let backend = try CPUBackend(precision: .f32)
    let pipeline = try Pipeline(
      model: try PipelineModel(path: path), backend: backend, request: request)
    var pictures: [RGBImage] = []
    try pipeline.run { event in
      if case .picture(_, let picture) = event { pictures.append(try RGBImage(picture)) }
    }
    #expect(pictures.count == pipeline.settings.pictures.count)
    return try #require(pictures.first)
  }

  /// Within 1/255 in 99.9 % of all samples and never off by more than 3/255.
  private func expectEqual(_ picture: RGBImage, _ trace: TraceFile, _ path: String) throws {
    let reference = try trace.uint8("\(path)/decode/image_uint8")
    #expect(reference.shape == [1, picture.height, picture.width, 3])
    let differences = zip(picture.pixels, reference.values).map { abs(Int($0) - Int($1)) }
    #expect(differences.count == reference.values.count)
    #expect(differences.max() ?? 255 <= 3)
    #expect(differences.count { $0 > 1 } * 1000 <= differences.count)
  }

  @Test func drawsThePictureOfTheOfficialPipeline() throws {
    let picture = try picture(
      try ConvertedModels.make("sana-tiny", in: directory),
      GenerationRequest(
        prompts: ["  A busy street at dusk,\n  1234 lamps  "],
        negativePrompt: "blurry, low quality", width: 160, height: 96, steps: 4, seed: 2,
        usesResolutionBinning: false))
    let trace = Fixtures.directory.appending(path: "traces/sana-tiny.h5").path
    try expectEqual(picture, TraceFile(path: trace), "case_b_small_nonsquare")
  }

  @Test func drawsTheDemoAsPyTorchDoes() throws {
    let path = directory.path("demo.sana")
    try CheckpointConversion(OfficialCheckpoint(path: Checkpoints.demo)).write(to: path)
    let picture = try picture(
      path,
      GenerationRequest(
        prompts: ["a large red circle on a blue background"], width: 256, height: 256, seed: 0))
    try expectEqual(
      picture, TraceFile(path: "\(Checkpoints.demo)/../trace.h5"), "case_demo")
  }

  @Test func everyPictureOfASeriesCanBeDrawnAlone() throws {
    var request = GenerationRequest(
      prompts: ["a fox", "a much longer prompt about a fox in the snow"], width: 64, height: 64,
      steps: 2, seed: 7, count: 2, usesResolutionBinning: false)
    let model = try PipelineModel(path: try ConvertedModels.make("sana-tiny", in: directory))
    func draw(_ request: GenerationRequest, memoryLimit: Int? = nil) throws -> [RGBImage] {
      var pictures: [RGBImage] = []
      let pipeline = try Pipeline(
        model: model, backend: try CPUBackend(), request: request,
        budget: MemoryBudget(limit: memoryLimit))
      if memoryLimit != nil { #expect(pipeline.plan.picturesAtOnce == 1) }
      var begun: [PipelineStage: [Range<Int>]] = [:]
      try pipeline.run { event in
        switch event {
        case .began(let stage, let range, _): begun[stage, default: []].append(range)
        case .picture(let index, let picture):
          #expect(index == pictures.count)
          pictures.append(try RGBImage(picture))
        default: break
        }
      }
      let groups = stride(from: 0, to: pictures.count, by: pipeline.plan.picturesAtOnce).map {
        $0..<min($0 + pipeline.plan.picturesAtOnce, pictures.count)
      }
      #expect(begun == [.text: [0..<pictures.count], .denoise: groups, .decode: groups])
      return pictures
    }
    let series = try draw(request)
    #expect(series.count == 4)
    #expect(Set(series).count == 4)
    // Finished one by one.
    let least = try Pipeline(model: model, backend: try CPUBackend(), request: request).leastLimit()
    #expect(try draw(request, memoryLimit: least) == series)
    request.prompts.removeFirst()
    request.seed = 8
    request.count = 1
    #expect(try draw(request) == [series[3]])
  }

  @Test func aPictureIsTheSameWholeAndByRowsAndWhenDrawnAgain() throws {
    let model = try PipelineModel(path: try ConvertedModels.make("sana-tiny", in: directory))
    // Scaled and cropped.
    let request = GenerationRequest(
      prompts: ["a fox"], width: 200, height: 300, steps: 1, usesResolutionBinning: true)
    let pipeline = try Pipeline(model: model, backend: try CPUBackend(), request: request)
    let latents = try pipeline.denoise(pipeline.encodeText(), pictures: 0..<1)
    let whole = try DecoderStage(
      model.autoencoder, source: model.source(for: .autoencoder), backend: try CPUBackend()
    ).decode(latents[0])
    let expected = try RGBImage(
      decoded: whole.resizedAndCropped(height: 300, width: 200), element: 0)
    var count = 0
    try pipeline.decode(latents) { index, picture in
      count += 1
      #expect(index == 0)
      let (drawn, again) = (try RGBImage(picture), try RGBImage(picture))
      #expect(drawn == expected)
      #expect(again == expected)
    }
    #expect(count == 1)
  }
}
