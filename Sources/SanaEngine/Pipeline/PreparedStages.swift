internal import SanaGraph

/// A stage that can be used more than once.
protocol PreparedStage: AnyObject {
  /// Of all that the stage runs.
  var context: RunContext { get set }
  /// Lets go of everything but weights, until the stage is used again.
  func rest()
}

/// The stages of a run, or of the runs of a session: made when they are needed, and kept as long as
/// plans say.
final class PreparedStages {
  /// Counts what the stages and tensors between them hold.
  let ledger: MemoryLedger
  private var kept: [PipelineStage: any PreparedStage] = [:]

  init(within parent: MemoryLedger) { ledger = MemoryLedger(within: parent) }

  /// Lets go of stages that a plan does not keep.
  func follow(_ plan: PipelinePlan) {
    kept = kept.filter { plan.staying[$0.key] != nil }
  }

  /// Holds everything from here on to a stage's plan.
  func begin(_ stage: PipelineStage, _ plan: PipelinePlan) {
    ledger.hold(
      to: plan.bytes(of: stage, beside: kept.keys), planOf: "the stage '\(stage.rawValue)'")
  }

  /// - Parameter make: makes the stage where none is kept.
  func use<Stage: PreparedStage, Result>(
    _ stage: PipelineStage, _ plan: PipelinePlan, _ context: RunContext, make: () throws -> Stage,
    _ body: (Stage) throws -> Result
  ) throws -> Result {
    begin(stage, plan)
    // A stage that fails may have weights that were brought into their form in part.
    let prepared = try kept.removeValue(forKey: stage) as? Stage ?? make()
    prepared.context = context
    let result = try body(prepared)
    if plan.staying[stage] != nil {
      prepared.rest()
      kept[stage] = prepared
    }
    return result
  }
}
