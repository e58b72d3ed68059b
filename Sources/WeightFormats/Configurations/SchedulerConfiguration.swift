/// Which sampler the checkpoint was made for, and its constants.
public enum SchedulerConfiguration: Hashable, Sendable {
  /// `DPMSolverMultistepScheduler` with flow sigmas, order 2, midpoint.
  case dpmSolver(flowShift: Double, trainingTimesteps: Int)
  /// `FlowMatchEulerDiscreteScheduler`.
  case flowEuler(shift: Double, trainingTimesteps: Int)
  /// `SCMScheduler` (TrigFlow), Sprint.
  case consistency(sigmaData: Double, trainingTimesteps: Int)
}
