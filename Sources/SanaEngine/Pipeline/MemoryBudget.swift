/// What memory a run may take.
public struct MemoryBudget: Hashable, Sendable {
  /// The most bytes that the process may hold, its code and libraries not counted; nil for as many
  /// as are fastest.
  public var limit: Int?
  /// Of those, what the process holds before the run: the model's directory, the tokenizer.
  public var programBytes: Int

  public init(limit: Int? = nil, programBytes: Int = 0) {
    self.limit = limit
    self.programBytes = programBytes
  }

  /// What a stage may hold.
  var stageBytes: Int? { limit.map { $0 - programBytes } }
}
