import SanaEngine
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
    _ change: (inout GenerationRequest) -> Void = { _ in }
  ) throws -> GenerationSettings {
    var request = GenerationRequest(prompts: ["a fox"])
    change(&request)
    return try GenerationSettings(request, for: model)
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

  @Test(arguments: [0, -32, 33, 16416, Int.max, Int.min])
  func wrongSizesAreRefused(side: Int) {
    #expect(throws: SanaError.self) { try settings { $0.width = side } }
    #expect(throws: SanaError.self) { try settings { $0.height = side } }
  }

  @Test func theNearestSizeIsNamed() {
    for (side, nearest) in [(33, 32), (1000, 992), (1009, 1024), (1, 32), (16_383, 16_384)] {
      let error = #expect(throws: SanaError.self) { try settings { $0.width = side } }
      #expect(error?.remedy.contains("\(nearest)") == true)
    }
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
