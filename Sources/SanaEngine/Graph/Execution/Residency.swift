/// Where a graph's weights are while it runs. What the graph computes does not depend on it.
public enum Residency: Hashable, Sendable {
  /// In memory from the preparation on.
  case resident
  /// In memory while the steps that read them run: loaded with the segment before, or as much of
  /// the graph as memory allows for.
  ///
  /// - Parameter weightBytes: what all weights of the graph may take; where even the least takes
  ///   more, the least is taken.
  case streamed(weightBytes: Int)
  /// Loaded for the step that reads them and released after it: of a graph that runs once.
  case once
}

/// What is chosen for a graph's execution; the rest follows from the graph, its weights and the
/// device.
public struct ExecutionChoices: Hashable, Sendable {
  public var residency: Residency
  /// Whether the working memory is the model's workspace, which all its graphs that say so share:
  /// what such a graph holds lasts until another is prepared or run. Values that outlast a segment
  /// have memory of their own where `keepsValues` says so.
  public var sharesWorkspace: Bool
  /// Whether inputs, outputs and what one segment leaves to another keep their memory while other
  /// graphs use the workspace.
  public var keepsValues: Bool
  /// The most positions of an image that a step computes at a time where it can; nil for as many
  /// as are fastest.
  public var bandPositions: Int?

  public init(
    residency: Residency = .resident, sharesWorkspace: Bool = false, keepsValues: Bool = false,
    bandPositions: Int? = nil
  ) {
    self.residency = residency
    self.sharesWorkspace = sharesWorkspace
    self.keepsValues = keepsValues
    self.bandPositions = bandPositions
  }
}
