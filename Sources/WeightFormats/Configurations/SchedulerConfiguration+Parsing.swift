public import Support

extension SchedulerConfiguration {
  /// Reads a `scheduler_config.json`; absent keys have the defaults of the diffusers class that it
  /// names.
  /// - Parameter location: the file's name for error messages.
  /// - Throws: `.invalidConfiguration` naming the key, `.unsupported` naming the class or the
  ///   variant.
  public init(official document: MetadataValue, location: String) throws(SanaError) {
    let reader = try ConfigurationReader(document, location: location)
    let trainingTimesteps = try reader.integer(
      "num_train_timesteps", default: 1000, in: 1...1_000_000)
    let shifts = 1e-3...1e3
    switch try reader.string("_class_name") {
    case "DPMSolverMultistepScheduler":
      try reader.require("use_flow_sigmas", is: true, default: false)
      try reader.require("prediction_type", is: "flow_prediction", default: "epsilon")
      try reader.require("algorithm_type", is: "dpmsolver++", default: "dpmsolver++")
      try reader.require("solver_type", is: "midpoint", default: "midpoint")
      try reader.require("solver_order", is: 2, default: 2)
      try reader.require("final_sigmas_type", is: "zero", default: "zero")
      for key in [
        "thresholding", "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas",
        "use_lu_lambdas", "use_dynamic_shifting",
      ] {
        try reader.require(key, is: false, default: false)
      }
      self = .dpmSolver(
        flowShift: try reader.number("flow_shift", default: 1, in: shifts),
        trainingTimesteps: trainingTimesteps)
    case "FlowMatchEulerDiscreteScheduler":
      for key in [
        "use_dynamic_shifting", "invert_sigmas", "use_karras_sigmas", "use_exponential_sigmas",
        "use_beta_sigmas", "stochastic_sampling",
      ] {
        try reader.require(key, is: false, default: false)
      }
      if let terminal = reader.value("shift_terminal") {
        throw reader.unsupported("shift_terminal", terminal)
      }
      self = .flowEuler(
        shift: try reader.number("shift", default: 1, in: shifts),
        trainingTimesteps: trainingTimesteps)
    case "SCMScheduler":
      try reader.require("prediction_type", is: "trigflow", default: "trigflow")
      self = .consistency(
        sigmaData: try reader.number("sigma_data", default: 0.5, in: 1e-6...1e6),
        trainingTimesteps: trainingTimesteps)
    case let name:
      throw SanaError(
        .unsupported, "names the scheduler class '\(name.abbreviated)', which is not supported",
        remedy:
          "use DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler or SCMScheduler",
        location: location)
    }
  }
}
