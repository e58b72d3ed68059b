import SanaEngine
import SanaGraph
import Support
import TestSupport
import Testing
import WeightFormats

@Suite struct GenerationSettingsTests {
  private let directory: TestDirectory
  private let model: PipelineModel

  init() throws {
    directory = try TestDirectory()
    model = try PipelineModel(path: try ConvertedModels.make("sana-tiny", in: directory))
  }

  private func settings(
    of model: PipelineModel? = nil, _ change: (inout GenerationRequest) -> Void = { _ in }
  ) throws -> GenerationSettings {
    var request = GenerationRequest(prompts: ["a fox"])
    change(&request)
    return try GenerationSettings(request, for: model ?? self.model)
  }

  @Test func whatIsLeftOutIsAsInTheOfficialPipeline() throws {
    let settings = try settings()
    let side = model.transformer.sampleSize * 32
    #expect(settings.width == side && settings.height == side)
    #expect(settings.steps == 20)
    #expect(settings.guidanceScale == 4.5)
    #expect(settings.usesGuidance)
    #expect(settings.samplerKind == .dpmSolver)
    #expect(settings.negativePrompt == "")
    #expect(settings.pictures.map(\.seed) == [0])
  }

  @Test func guidanceOfOneNeedsNoNegativePrompt() throws {
    #expect(try !settings { $0.guidanceScale = 1 }.usesGuidance)
    #expect(try !settings { $0.guidanceScale = 0 }.usesGuidance)
    #expect(try settings { $0.guidanceScale = 1.01 }.usesGuidance)
  }

  @Test(arguments: [0, -32, 16_385, 16_416, Int.max, Int.min])
  func wrongSizesAreRefused(side: Int) {
    for isBinned in [true, false] {
      for path in [\GenerationRequest.width, \.height] {
        let error = #expect(throws: SanaError.self) {
          try settings {
            $0[keyPath: path] = side
            $0.usesResolutionBinning = isBinned
          }
        }
        #expect(error?.code == .invalidArgument)
        #expect(error?.remedy.contains("16384") == true)
      }
    }
  }

  /// What diffusers' `classify_height_width_bin` chooses.
  @Test(arguments: [
    (1920, 1080, 1344, 768), (1080, 1920, 768, 1344), (1000, 1000, 1024, 1024),
    (3840, 2160, 1344, 768), (1, 1, 1024, 1024), (33, 16_384, 512, 2048),
    (16_384, 1, 2048, 512), (1023, 1025, 1024, 1024),
  ])
  func anySizeIsDrawnAtATrainedOne(width: Int, height: Int, drawnWidth: Int, drawnHeight: Int)
    throws
  {
    let settings = try settings {
      $0.width = width
      $0.height = height
    }
    #expect(settings.width == width && settings.height == height)
    #expect(settings.drawnWidth == drawnWidth && settings.drawnHeight == drawnHeight)
  }

  @Test func withoutBinningTheNearestSizeIsNamed() {
    for (side, nearest) in [(33, 32), (1000, 992), (1009, 1024), (1, 32), (16_383, 16_384)] {
      let error = #expect(throws: SanaError.self) {
        try settings {
          $0.width = side
          $0.usesResolutionBinning = false
        }
      }
      #expect(error?.remedy.contains("choose \(nearest)") == true)
      #expect(error?.remedy.contains("leave --no-binning out") == true)
    }
  }

  /// The demonstration's model draws pictures of 256 pixels, for which nobody made a table.
  @Test func aModelWithoutTrainedSizesSaysSo() throws {
    let path = directory.path("demo.sana")
    try CheckpointConversion(OfficialCheckpoint(path: Checkpoints.demo)).write(to: path)
    let demo = try PipelineModel(path: path)
    let error = #expect(throws: SanaError.self) { try settings(of: demo) { $0.width = 200 } }
    #expect(error?.message.contains("no table of trained sizes") == true)
    #expect(error?.remedy == "choose 192, the nearest one")
    let exact = try settings(of: demo) { $0.width = 192 }
    #expect(exact.drawnWidth == 192)
  }

  @Test(arguments: [0, -1, 1001, Int.max])
  func wrongStepCountsAreRefused(steps: Int) {
    #expect(throws: SanaError.self) { try settings { $0.steps = steps } }
  }

  @Test(arguments: [-0.1, 100.5, .nan, .infinity])
  func wrongGuidanceIsRefused(scale: Double) {
    #expect(throws: SanaError.self) { try settings { $0.guidanceScale = scale } }
  }

  @Test(arguments: [0, -1, 10_001])
  func wrongCountsAreRefused(count: Int) {
    #expect(throws: SanaError.self) { try settings { $0.count = count } }
  }

  @Test func aSprintSamplerNeedsASprintModel() {
    #expect(throws: SanaError.self) { try settings { $0.sampler = .consistency } }
  }

  @Test func seedsWrapAround() throws {
    let settings = try settings {
      $0.seed = .max
      $0.count = 2
    }
    #expect(settings.pictures.map(\.seed) == [.max, 0])
  }
}
