import CommandLineSupport
import EngineArguments
import SanaEngine
import SanaGraph
import Support

/// What a run, or a plan of one, tells the user.
struct RunReport {
  let modelPath: String
  let deviceName: String
  let precision: ComputePrecision
  let settings: GenerationSettings
  let plan: PipelinePlan
  let memoryLimit: ByteSize?
  private let ledger: MemoryLedger
  /// The least limit that the run can hold, where somebody asked.
  var leastLimit: Int?
  /// Empty for a plan.
  var times: [PipelineStage: Duration] = [:]
  var outputs: [String] = []

  init(
    modelPath: String, pipeline: Pipeline, backend: any Backend, device: DeviceArguments,
    memoryLimit: ByteSize?
  ) {
    self.modelPath = modelPath
    deviceName = backend.name
    precision = device.precision
    settings = pipeline.settings
    plan = pipeline.plan
    self.memoryLimit = memoryLimit
    ledger = backend.ledger
  }

  var json: MetadataValue {
    var members: [MetadataValue.Member] = [
      .init("model", .string(modelPath)),
      .init("device", .string(deviceName)),
      .init("precision", .string(precision.rawValue)),
      .init("width", .integer(Int64(settings.width))),
      .init("height", .integer(Int64(settings.height))),
      .init("drawn_width", .integer(Int64(settings.drawnWidth))),
      .init("drawn_height", .integer(Int64(settings.drawnHeight))),
      .init("max_sequence_length", .integer(Int64(settings.captionLength))),
      .init("steps", .integer(Int64(settings.steps))),
      .init("guidance", .number(Double(settings.guidanceScale))),
      .init("scheduler", .string(settings.samplerKind.rawValue)),
      .init("peak_bytes", .integer(Int64(plan.peakBytes))),
      .init("program_bytes", .integer(Int64(plan.programBytes))),
      .init("pictures_at_once", .integer(Int64(plan.picturesAtOnce))),
      .init("limit_bytes", memoryLimit.map { .integer(Int64($0.bytes)) } ?? .null),
      .init("stages", .array(plan.stages.map(json(of:)))),
      .init("means", .array(plan.means.map(json(of:_:)))),
    ]
    if let leastLimit {
      members.append(.init("least_limit_bytes", .integer(Int64(leastLimit))))
    }
    if !outputs.isEmpty {
      members += [
        .init("pictures", .array(zip(outputs, settings.pictures).map(json(of:_:)))),
        .init("seconds", .number(totalSeconds)),
        .init("device_peak_bytes", .integer(Int64(ledger.peakBytes))),
        .init(
          "measured_peak_bytes", ProcessMemory.peakBytes.map { .integer(Int64($0)) } ?? .null),
      ]
    }
    return .object(members)
  }

  private func json(of stage: PipelineStage, _ means: MemoryMeans) -> MetadataValue {
    [
      "stage": .string(stage.rawValue), "name": .string(means.kind.rawValue),
      "description": .string(means.description), "seconds": .number(means.seconds),
    ]
  }

  private func json(of stage: PipelinePlan.Stage) -> MetadataValue {
    var members: [MetadataValue.Member] = [
      .init("name", .string(stage.stage.rawValue)),
      .init("weights_bytes", .integer(Int64(stage.weightsBytes))),
      .init("activations_bytes", .integer(Int64(stage.activationsBytes))),
      .init("peak_bytes", .integer(Int64(stage.peakBytes))),
    ]
    if let time = times[stage.stage] { members.append(.init("seconds", .number(time.seconds))) }
    return .object(members)
  }

  private func json(
    of path: String, _ picture: GenerationSettings.Picture
  ) -> MetadataValue {
    [
      "path": .string(path), "prompt": .string(settings.prompts[picture.prompt]),
      "seed": picture.seed <= Int64.max
        ? .integer(Int64(picture.seed)) : .string("\(picture.seed)"),
    ]
  }

  private var totalSeconds: Double { times.values.reduce(0) { $0 + $1.seconds } }

  /// What is drawn, in one line.
  var title: String {
    "\(settings.width)x\(settings.height), \(settings.steps) steps, \(settings.samplerKind.rawValue), guidance \(settings.guidanceScale), \(seeds), on \(deviceName)\n"
  }

  private var seeds: String {
    guard let first = settings.pictures.first?.seed, let last = settings.pictures.last?.seed,
      first != last
    else { return "seed \(settings.pictures.first?.seed ?? 0)" }
    return "seeds \(first) to \(last)"
  }

  /// For people.
  var summary: String {
    var text =
      outputs.isEmpty
      ? ""
      : outputs.map { "wrote \($0 == "-" ? "to standard output" : $0.printablePath)\n" }.joined()
    text += title + "\n" + table
    let count = settings.pictures.count
    if count > 1, outputs.isEmpty {
      text +=
        plan.picturesAtOnce < count
        ? "\n\(count) pictures, \(plan.picturesAtOnce) at a time from noise to file\n"
        : "\n\(count) pictures, decoded and written when all are denoised\n"
    }
    if !plan.means.isEmpty {
      text +=
        "\nto stay within the limit:\n"
        + plan.means.map { stage, means in
          "  \(stage.rawValue): \(means.description); about \(Duration.seconds(means.seconds).readable) more\n"
        }.joined() + "  (times are estimates; 'sana-run bench' measures what a limit costs here)\n"
    }
    text +=
      "\n\(outputs.isEmpty ? "peak memory" : "planned peak memory") \(ByteSize(plan.peakBytes))"
    if let memoryLimit { text += " of the \(memoryLimit) allowed" }
    if !outputs.isEmpty, let measured = ProcessMemory.peakBytes {
      text += ", of the whole process \(ByteSize(measured))"
      text += "; \(Duration.seconds(totalSeconds).readable) in all"
    }
    return text + "\n"
  }

  private var table: String {
    var table = TextTable(
      [
        .init("stage"), .init("weights", .right), .init("activations", .right),
        .init("peak", .right),
      ] + (times.isEmpty ? [] : [.init("time", .right)]))
    for stage in plan.stages {
      table.append(
        [
          stage.stage.rawValue, ByteSize(stage.weightsBytes).description,
          ByteSize(stage.activationsBytes).description, ByteSize(stage.peakBytes).description,
          times[stage.stage]?.readable ?? "",
        ])
    }
    return table.text
  }
}
