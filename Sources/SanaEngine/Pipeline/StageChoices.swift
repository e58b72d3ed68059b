internal import SanaGraph
internal import SanaModels

/// What the planner chooses for a stage whose graphs run again and again.
struct StageChoices: Hashable {
  /// Of the weights of those graphs.
  var residency: Residency = .resident
  /// What steps are given of the captions.
  var captionForm: LinearDiffusionTransformer.CaptionForm = .keyValues
  /// The most positions that are computed at a time where that is possible; nil for all.
  var bandPositions: Int?
  /// Of the weights of graphs that run once a prompt or a schedule.
  var passingResidency: Residency = .once

  /// Of a stage that is used again later: all its weights stay.
  static let staying = StageChoices(passingResidency: .resident)

  /// The same, and no weight of a segment stays.
  var streaming: StageChoices {
    var choices = self
    choices.residency = .streamed(weightBytes: 0)
    return choices
  }

  /// Of a graph that runs again and again.
  var main: ExecutionChoices {
    ExecutionChoices(
      residency: residency, sharesWorkspace: true, keepsValues: true,
      bandPositions: bandPositions)
  }

  /// The same of a graph that no other runs beside.
  var alone: ExecutionChoices {
    ExecutionChoices(
      residency: residency, sharesWorkspace: true, bandPositions: bandPositions)
  }

  /// Of a graph that runs once a prompt or a schedule.
  var passing: ExecutionChoices {
    ExecutionChoices(residency: passingResidency, sharesWorkspace: true)
  }
}
