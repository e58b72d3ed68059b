internal import Support

extension SchedulerConfiguration {
  /// The sampler that stands in for one which cannot be run: that of the releases, with the shift
  /// of the noise levels that the document states. `nil` where it states none, or is of no flow.
  init?(inPlaceOf document: MetadataValue) {
    guard let reader = try? ConfigurationReader(document, location: ""),
      ["flow_prediction", nil].contains(reader.value("prediction_type")?.stringValue),
      let shift = try? reader.number("flow_shift", default: Self.shift(reader), in: 1e-3...1e3),
      let timesteps = try? reader.integer("num_train_timesteps", default: 1000, in: 1...1_000_000)
    else { return nil }
    self = .dpmSolver(flowShift: shift, trainingTimesteps: timesteps)
  }

  /// `shift`, as flow-matching schedulers call it.
  private static func shift(_ reader: ConfigurationReader) -> Double? {
    reader.value("shift")?.numberValue
  }

  /// `flow shift 3.0`.
  var shiftText: String {
    switch self {
    case .dpmSolver(let shift, _), .flowEuler(let shift, _): "flow shift \(shift)"
    case .consistency: "angles"
    }
  }

  /// The class that `scheduler_config.json` names.
  var officialClass: String {
    switch self {
    case .dpmSolver: "DPMSolverMultistepScheduler"
    case .flowEuler: "FlowMatchEulerDiscreteScheduler"
    case .consistency: "SCMScheduler"
    }
  }
}
