import CPUBackend
import Foundation
import SanaEngine
import SanaGraph
import Support
import TestSupport
import Testing
import WeightFormats

@testable import Calibration

@Suite struct CalibratorTests {
  private let directory: TestDirectory
  private let model: ModelFile

  init() throws {
    directory = try TestDirectory()
    model = try ModelFile(path: ConvertedModels.make("sana-tiny", in: directory))
  }

  private static let settings = CalibrationSettings(
    prompts: ["a red circle", "a red square on blue"], seeds: [3], steps: 2, width: 96,
    height: 64, rows: 100)

  private func gather(
    _ settings: CalibrationSettings = settings, of model: ModelFile? = nil,
    threads: Int? = nil, limit: Int? = nil, name: String = "statistics.h5"
  ) throws -> CalibrationFile {
    let path = directory.path(name)
    try Calibrator(
      model ?? self.model, settings: settings,
      backend: try CPUBackend(threads: threads, precision: .auto),
      budget: MemoryBudget(limit: limit)
    ).gather(to: path, tool: "test")
    return try CalibrationFile(path: path)
  }

  private func configuration() throws -> TransformerConfiguration {
    guard case .transformer(let configuration) = try model.configuration(of: .transformer) else {
      throw SanaError(.unsupported, "no transformer", remedy: "")
    }
    return configuration
  }

  /// The matrices of every network, by their names in the file.
  private static func matrices(_ model: ModelFile) -> [(ComponentKind, TensorDescription)] {
    model.components.flatMap { component -> [(ComponentKind, TensorDescription)] in
      guard let kind = component.kind else { return [] }
      return component.tensors.map { (kind, $0.description) }.filter {
        $0.1.shape.count == 2 && $0.1.name.hasSuffix("weight")
          && !$0.1.name.contains("embed_tokens") && !$0.1.name.contains("to_qkv_multiscale")
      }
    }
  }

  @Test func everyMatrixOfEveryNetworkHasItsInput() throws {
    let statistics = try gather()
    let matrices = Self.matrices(model).filter { !$0.1.name.hasPrefix("encoder.") }
    #expect(matrices.count > 50)
    for (component, description) in matrices {
      let sample = try #require(
        try statistics.sample(of: description.name, in: component), "\(description.name)")
      #expect(sample.columns == description.shape[1])
      #expect(sample.rowCount == min(sample.seenRows, 100))
      #expect(sample.maxima.contains { $0 > 0 }, "\(description.name)")
      for (index, value) in sample.rows.enumerated() {
        #expect(abs(value) <= sample.maxima[index % sample.columns])
      }
    }
    #expect(try statistics.check(fits: model) == nil)
    #expect(try statistics.sample(of: "proj_out.weight", in: .autoencoder) == nil)
    // Both halves of guidance, two pictures, two steps.
    #expect(
      try statistics.sample(of: "proj_out.weight", in: .transformer)?.seenRows == 2 * 2 * 2 * 6)
    let convolution = try #require(
      try statistics.sample(of: "decoder.conv_in.weight", in: .autoencoder))
    #expect(convolution.rows.isEmpty && convolution.maxima.count == 32)
    #expect(convolution.seenRows == 2 * 6)
  }

  /// What named values show is what is kept, and nothing else.
  @Test func rowsAreThoseThatAnUnfusedGraphShows() throws {
    var settings = Self.settings
    settings.rows = 1000
    settings.guidanceScale = 1
    let statistics = try gather(settings)
    // The same run, seen by an observer of named values.
    let file = try PipelineModel(model)
    let backend = try CPUBackend(threads: nil, precision: .auto)
    let preparation = try PromptPreparation(tokenizer: file.tokenizer, instruction: .standard)
    let text = try TextEncoderStage(
      file.textEncoder, source: model.source(for: .textEncoder), backend: backend)
    let captions = try settings.prompts.map { try text.caption(of: preparation.prepare($0)) }
    let stage = DenoiserStage(
      file.transformer, source: try model.source(for: .transformer), backend: backend)
    let sampler = try SamplerKind(file.scheduler).makeSampler(file.scheduler, steps: 2)
    var seen: [String: Set<[Float]>] = [:]
    for caption in captions {
      let denoiser = try stage.prepare(
        captions: [caption], height: 2, width: 3, modelTimesteps: sampler.modelTimesteps,
        guidanceScale: 1, fusion: .observable)
      var noise = LatentNoise(seed: 3, shape: denoiser.latentShape)
      var sampler = sampler
      var latents = sampler.initialLatents(noise.next().values)
      for step in 0..<2 {
        let output = try denoiser.evaluate(sampler.modelInput(latents), step: step) {
          name, tensor in
          let channels = tensor.shape.channels
          for row in 0..<tensor.shape.rows {
            seen[name, default: []].insert(
              Array(tensor.values[row * channels..<(row + 1) * channels]))
          }
        }
        latents = sampler.step(modelOutput: output.values, latents: latents, noise: [])
      }
    }
    for (weight, value) in [
      ("transformer_blocks.0.attn1.to_qkv.weight", "block0.attn1.in"),
      ("transformer_blocks.1.attn2.to_q.weight", "block1.attn2.in"),
      ("transformer_blocks.2.ff.conv_inverted.weight", "block2.ff.in"),
      ("proj_out.weight", "norm_out"),
    ] {
      let sample = try #require(try statistics.sample(of: weight, in: .transformer))
      #expect(sample.rowCount == 24)
      let rows = Set(
        (0..<sample.rowCount).map {
          Array(sample.rows[$0 * sample.columns..<($0 + 1) * sample.columns])
        })
      let isSame = rows == seen[value]
      #expect(isSame, "\(weight)")
    }
  }

  @Test func statisticsDoNotDependOnThreadsNorOnTheMemoryLimit() throws {
    let one = try bytes(gather(threads: 1, name: "one.h5"))
    let three = try bytes(gather(threads: 3, name: "three.h5"))
    #expect(three == one)
    // Enough for pictures together, and too little for the weights.
    let least = try leastLimit()
    #expect(try bytes(gather(limit: least + 4 << 20, name: "limited.h5")) == one)
  }

  /// The limit that an error says to allow is one that is enough.
  private func leastLimit() throws -> Int {
    var limit = 1 << 20
    for _ in 0..<8 {
      do {
        _ = try gather(limit: limit)
        return limit
      } catch let error as SanaError where error.code == .memoryLimit {
        let words = error.remedy.split(separator: " ")
        let more = try #require(words.dropFirst().first.flatMap { Int($0) }, "\(error)")
        limit += more << 20
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.url.path).count <= 3)
      }
    }
    Issue.record("no limit is enough")
    return limit
  }

  private func bytes(_ file: CalibrationFile) throws -> Data {
    try Data(contentsOf: URL(filePath: file.path))
  }

  /// The instruction before every prompt would be most of what the text encoder sees.
  @Test func theBeginningOfPromptsCountsOnce() throws {
    let weight = "layers.0.self_attn.qkv_proj.weight"
    func seenRows(_ prompts: [String]) throws -> Int {
      var settings = Self.settings
      settings.prompts = prompts
      return try gather(settings).sample(of: weight, in: .textEncoder)?.seenRows ?? 0
    }
    let one = try seenRows(["a red circle"])
    #expect(try seenRows(["a red circle", "a red circle"]) == one)
    let more = try seenRows(["a red circle", "a blue square"]) - one
    #expect(1...12 ~= more)
  }

  @Test func aQuantizedModelWhoseInstructionIsEncodedAheadIsCalibratedToo() throws {
    let path = directory.path("quantized.sana")
    let outcome = try Tool("sana-quant").run(model.path, "--recipe", "w8a16", "-o", path)
    #expect(outcome.status == 0, "\(outcome.error)")
    let quantized = try ModelFile(path: path)
    let statistics = try gather(of: quantized)
    let sample = try #require(
      try statistics.sample(of: "layers.3.mlp.down_proj.weight", in: .textEncoder))
    #expect(1..<60 ~= sample.seenRows)
    #expect(try statistics.check(fits: quantized) == nil)
    #expect(try statistics.check(fits: model)?.contains("another file") == true)
  }

  @Test func guidanceCountsBothHalvesAndNoneOnlyOne() throws {
    var settings = Self.settings
    settings.guidanceScale = 1
    #expect(
      try gather(settings).sample(of: "proj_out.weight", in: .transformer)?.seenRows == 24)
  }

  @Test func aModelWithoutATextEncoderIsRefusedInClearWords() throws {
    let model = try ModelFile(
      path: ConvertedModels.make("sprint-tiny", in: directory, components: [.transformer]))
    let error = #expect(throws: SanaError.self) { try gather(of: model) }
    #expect(error?.code == .unsupported)
    #expect(error?.message.contains("there is no text encoder") == true)
    #expect(!FileManager.default.fileExists(atPath: directory.path("statistics.h5")))
  }

  @Test func aModelWithoutAnAutoencoderIsCalibratedAsFarAsItGoes() throws {
    let model = try ModelFile(
      path: ConvertedModels.make(
        "sana-tiny", in: directory, components: [.textEncoder, .transformer]))
    let statistics = try gather(of: model)
    for (component, description) in Self.matrices(model) {
      #expect(try statistics.sample(of: description.name, in: component) != nil)
    }
  }

  @Test func wrongSettingsAreRefusedBeforeAnythingIsRead() throws {
    func code(_ change: (inout CalibrationSettings) -> Void) -> SanaError.Code? {
      var settings = Self.settings
      change(&settings)
      do {
        _ = try gather(settings)
        return nil
      } catch {
        return (error as? SanaError)?.code
      }
    }
    #expect(code { $0.width = 100 } == .invalidArgument)
    #expect(code { $0.height = 0 } == .invalidArgument)
    #expect(code { $0.width = -32 } == .invalidArgument)
    #expect(code { $0.steps = 0 } == .invalidArgument)
    #expect(code { $0.rows = 0 } == .invalidArgument)
    #expect(code { $0.prompts = [] } == .invalidArgument)
    #expect(code { $0.seeds = [] } == .invalidArgument)
    #expect(code { $0.guidanceScale = .nan } == .invalidArgument)
    #expect(code { $0.guidanceScale = -1 } == .invalidArgument)
    #expect(code { $0.sampler = .consistency } == .invalidArgument)
  }

  @Test func aCancelledCalibrationLeavesNothing() throws {
    let token = CancellationToken()
    let before = try FileManager.default.contentsOfDirectory(atPath: directory.url.path)
    let error = #expect(throws: SanaError.self) {
      try Calibrator(
        model, settings: Self.settings, backend: try CPUBackend(),
        context: RunContext(cancellation: token)
      ).gather(to: directory.path("statistics.h5"), tool: "test") { stage, done, _ in
        if stage == .denoise, done == 1 { token.cancel() }
      }
    }
    #expect(error?.code == .cancelled)
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.url.path) == before)
  }

  @Test func builtInStatisticsLeaveNothingBesideTheOutput() throws {
    let before = try FileManager.default.contentsOfDirectory(atPath: directory.url.path)
    let statistics = try BuiltInCalibration.gather(
      of: model, beside: directory.path("quantized.sana"), tool: "test",
      backend: try CPUBackend(), rows: 64)
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.url.path) == before)
    #expect(try statistics.sample(of: "proj_out.weight", in: .transformer)?.rowCount == 64)
    #expect(try statistics.check(fits: model) == nil)
  }
}
