public import SanaGraph
internal import Support

/// Draws again and again with one model on one device, and loads weights once where memory allows.
///
/// A stage stays prepared for the next request as long as the memory limit has room for its weights
/// beside what every other stage works with; where it has not, the stages that save least loading
/// are dropped after their use and loaded again. Pictures are the same either way, and the same as
/// those of a `Pipeline`.
public final class Session {
  public let model: PipelineModel
  private let backend: any Backend
  private let budget: MemoryBudget
  private let stages: PreparedStages
  private let context: RunContext

  /// - Parameters:
  ///   - budget: what memory the session may take.
  ///   - context: of all that the session runs.
  public init(
    model: PipelineModel, backend: any Backend, budget: MemoryBudget = MemoryBudget(),
    context: RunContext = RunContext()
  ) {
    self.model = model
    self.backend = backend
    self.budget = budget
    self.context = context
    stages = PreparedStages(within: backend.ledger)
  }

  /// Draws what a request asks for.
  /// - Parameter onEvent: told what happens; a throw stops the run.
  /// - Returns: how it was done.
  /// - Throws: as `Pipeline.init` and `Pipeline.run`. The session can be used further.
  @discardableResult
  public func draw(
    _ request: GenerationRequest, onEvent: (PipelineEvent) throws -> Void
  ) throws -> PipelinePlan {
    let pipeline = try Pipeline(
      model: model, backend: backend, request: request, budget: budget, context: context,
      stages: stages, keepsStages: true)
    try pipeline.run(onEvent: onEvent)
    return pipeline.plan
  }
}
