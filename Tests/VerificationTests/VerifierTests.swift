import CPUBackend
import Foundation
import ReferenceBackend
import SanaEngine
import SanaGraph
import Support
import TestSupport
import Testing
import Traces
import Verification
import WeightFormats

@Suite struct VerifierTests {
  private func trace(_ name: String) throws -> TraceFile {
    try TraceFile(path: Fixtures.directory.appending(path: "traces/\(name).h5").path)
  }

  enum Device: CaseIterable {
    case reference
    case cpu

    var backend: any Backend {
      get throws {
        switch self {
        case .reference: ReferenceBackend()
        case .cpu: try CPUBackend(precision: .f32)
        }
      }
    }
  }

  private func verify(
    _ model: ModelUnderTest, _ trace: TraceFile, on device: Device = .cpu,
    bounds: VerificationBounds = .parity, options: Verifier.Options = .init(),
    cancellation: CancellationToken = .init()
  ) throws -> VerificationReport {
    try Verifier.verify(
      model, against: trace, on: device.backend, bounds: bounds, options: options,
      cancellation: cancellation)
  }

  @Test(arguments: ["sana-tiny", "sana15-tiny", "sprint-tiny"], Device.allCases)
  func everyTraceIsReplayedWithinParity(name: String, device: Device) throws {
    let report = try verify(.fixture(name), trace(name), on: device)
    #expect(report.passed, "\(report.table(limit: 5))")
    #expect(report.values.count > 40)
    // PyTorch's own bfloat16 is told where it is recorded.
    let recording = try trace(name)
    let recorded = try ReferenceTraces.cases(of: recording).count {
      recording.contains("\($0)/first_step/model_output_bfloat16")
    }
    #expect(report.rulers.count == recorded)
    // Values of every graph were observed, not only the results.
    for name in ["first_step/block0.attn1", "first_step/caption_norm", "first_step/time_embed.0"] {
      #expect(report.values.contains { $0.name.hasSuffix(name) }, "\(name)")
    }
  }

  @Test func tracesOfOtherSequenceLengthsAreReplayedWithinParity() throws {
    let report = try verify(.fixture("sana-tiny"), trace("sequence-lengths"))
    #expect(report.passed, "\(report.table(limit: 5))")
    for name in ["1", "2_plain", "40", "77_plain", "310"] {
      #expect(report.values.contains { $0.name == "case_\(name)/text/prompt_embeds" })
    }
    #expect(report.values.contains { $0.name == "case_310/dpm2/latents[1]" })
  }

  /// Two weights of the same shape, each in the place of the other.
  private func swapped(_ source: any WeightSource) throws -> MemorySource {
    let names = (0...1).map { "transformer_blocks.\($0).attn2.to_out.0.weight" }
    return MemorySource(
      try zip(names, names.reversed()).map { name, other in
        let tensor = try source.load(other)
        let description = tensor.description
        return StoredTensor(
          description: TensorDescription(
            name: name, shape: description.shape, encoding: description.encoding,
            activations: description.activations), values: tensor.values, scales: tensor.scales)
      }, over: source)
  }

  @Test(arguments: [VerificationBounds.report, .parity])
  func aModelOfTheSameShapesIsNotTakenForTheTraces(bounds: VerificationBounds) throws {
    var model = try ModelUnderTest.fixture("sprint-tiny")
    let transformer = try #require(model.transformer)
    model.transformer?.weights = try swapped(transformer.weights)
    let report = try verify(model, trace("sprint-tiny"), bounds: bounds)
    #expect(!report.passed)
    #expect(report.isOfAnotherModel)
  }

  @Test func theFullTracesAreReplayedWithinParity() throws {
    guard let folder = ReferenceTraces.fullDirectory else { return }
    for name in ["sana-tiny", "sana15-tiny", "sprint-tiny"] {
      let trace = try TraceFile(path: folder.appending(path: "goldens/\(name).h5").path)
      let model = try ModelUnderTest(
        officialCheckpoint: folder.appending(path: "checkpoints/\(name)").path)
      let report = try verify(model, trace)
      #expect(report.passed, "\(report.table(limit: 5))")
      #expect(report.omissions.isEmpty)
    }
  }

  @Test func anotherScheduleIsNoticed() throws {
    var model = try ModelUnderTest.fixture("sprint-tiny")
    model.transformer?.scheduler = .consistency(sigmaData: 0.6, trainingTimesteps: 1000)
    let report = try verify(model, trace("sprint-tiny"))
    #expect(!report.passed)
    #expect(report.worstFirst.first?.kind == .accumulated)
    // The network by itself is right.
    #expect(
      report.values.filter { $0.kind == .forwardPass }
        .allSatisfy { $0.signalToNoiseDecibels > 90 })
  }

  @Test func aModelOfAnotherWidthIsRefused() throws {
    let error = #expect(throws: SanaError.self) {
      try verify(.fixture("sana15-tiny"), trace("sana-tiny"))
    }
    #expect(error?.code == .tensorMismatch)
  }

  @Test func aCaseThatIsNotThereIsRefusedWithThoseThatAre() throws {
    let error = #expect(throws: SanaError.self) {
      try verify(
        .fixture("sprint-tiny"), trace("sprint-tiny"), options: .init(caseName: "nothing"))
    }
    #expect(error?.code == .invalidArgument)
    #expect(error?.remedy.contains("a") == true)
  }

  @Test func tracesWithoutCasesAreRefused() throws {
    #expect(throws: SanaError.self) { try verify(.fixture("sprint-tiny"), trace("schedulers")) }
  }

  @Test func aLimitThatCannotHoldTheRunIsRefusedAtOnce() throws {
    let error = #expect(throws: SanaError.self) {
      try verify(
        .fixture("sprint-tiny"), trace("sprint-tiny"), options: .init(memoryLimit: 1000))
    }
    #expect(error?.code == .memoryLimit)
  }

  @Test func cancellingStops() throws {
    let cancellation = CancellationToken()
    cancellation.cancel()
    let error = #expect(throws: SanaError.self) {
      try verify(.fixture("sprint-tiny"), trace("sprint-tiny"), cancellation: cancellation)
    }
    #expect(error?.code == .cancelled)
  }
}
