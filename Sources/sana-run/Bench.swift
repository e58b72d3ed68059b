public import ArgumentParser
internal import CommandLineSupport
import EngineArguments
public import SanaEngine
internal import SanaGraph
import Support

extension PipelineStage: ExpressibleByArgument {}

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure how long every stage and every kind of operation takes.",
    usage: "sana-run bench <model.sana> [<options>]",
    discussion: """
      Measures the processor's peak, then each stage by itself: loading to the end of the first unit (the text of all prompts, one \
      denoising step, one picture's decoding), then the unit again and again. No stage needs the one before it: captions and latents \
      are random numbers of the right size.
      """)

  @Option(parsing: .unconditional, help: "What to draw.")
  var prompt: String = "a red circle on a blue background"

  @Option(
    name: .customLong("stage"),
    help: "text, denoise or decode; may be given more than once. (default: all)")
  var stages: [PipelineStage] = []

  @Option(parsing: .unconditional, help: "Measured runs of each stage's unit.")
  var repeats: Int = 3

  @Option(parsing: .unconditional, help: "Runs before them that are not measured.")
  var warmUps: Int = 1

  @Option(
    name: .customLong("top"), parsing: .unconditional,
    help: "How many of the costliest steps of each stage to list one by one.")
  var stepCount: Int = 5

  @OptionGroup var arguments: RunArguments

  func validate() throws {
    guard repeats >= 1, warmUps >= 1, stepCount >= 0 else {
      throw ValidationError("--repeats and --warm-ups must be at least 1, --top at least 0")
    }
  }

  func run() throws {
    try ToolSession.run { session in
      let run = try arguments.prepare(prompts: [prompt], session)
      for note in run.pipeline.notes { session.progress.note(note) }
      try run.pipeline.checkMemory(session)

      let peak = run.backend.measurePeak()
      let measurements = try PipelineStage.allCases
        .filter { stages.isEmpty || stages.contains($0) }
        .map { try measure($0, of: run.pipeline, peak, session) }
      if arguments.json {
        try JSONOutput.print(object(run.report, measurements, peak))
      } else {
        try OutputStream.standardOutput.write(text(run.report, measurements, peak))
      }
    }
  }

  private func measure(
    _ stage: PipelineStage, of pipeline: Pipeline, _ peak: ProcessorPeak?,
    _ session: ToolSession
  ) throws -> StageMeasurement {
    let clock = ContinuousClock()
    session.progress.begin(stage.rawValue, total: warmUps + repeats)
    defer { session.progress.end() }
    var profile = OperationProfile(peak: peak)
    var isMeasured = false
    pipeline.context.onStep = { step, graph in
      guard isMeasured else { return }
      session.progress.tick()
      profile.add(step, graph)
    }
    defer { pipeline.context.onStep = nil }
    let start = clock.now
    let runUnit = try pipeline.repetition(of: stage)
    var first = Duration.zero
    var times: [Duration] = []
    for repetition in 0..<warmUps + repeats {
      try session.cancellation.check()
      isMeasured = repetition >= warmUps
      let time = try clock.measure(runUnit)
      if repetition == 0 { first = clock.now - start }
      if repetition >= warmUps { times.append(time) }
      session.progress.update(repetition + 1)
    }
    return StageMeasurement(stage: stage, first: first, times: times, profile: profile)
  }

  private func object(
    _ report: RunReport, _ measurements: [StageMeasurement], _ peak: ProcessorPeak?
  ) -> MetadataValue {
    var members = report.json.members ?? []
    members += [
      .init(
        "peak",
        peak.map {
          [
            "f32_operations_per_second": .number($0.f32),
            "bf16_operations_per_second": .number($0.bf16),
            "int8_operations_per_second": .number($0.int8),
          ]
        } ?? .null),
      .init("measurements", .array(measurements.map(\.json))),
      .init("operations", .array(measurements.flatMap(\.operationsJSON))),
      .init("costliest", .array(measurements.flatMap { $0.costliestJSON(stepCount) })),
    ]
    return .object(members)
  }

  private func text(
    _ report: RunReport, _ measurements: [StageMeasurement], _ peak: ProcessorPeak?
  ) -> String {
    var text = report.title
    if let peak {
      text +=
        "peak of all threads: \((peak.f32 / 1e9).formatted(decimals: 0)) Gop/s in f32, \((peak.bf16 / 1e9).formatted(decimals: 0)) in bf16, \((peak.int8 / 1e9).formatted(decimals: 0)) in int8\n"
    }
    return text + measurements.map { "\n" + $0.summary(steps: stepCount) }.joined()
  }
}
