internal import SanaGraph

/// What a stage holds at its fullest, from the plans of its graphs.
struct StageMemory: Hashable {
  /// Bytes of the weights that stay, by name: graphs of a stage share them.
  private var residentBytes: [String: Int] = [:]
  /// Memory that weights of the main graphs take in turn.
  private var slotBytes = 0
  /// Weights of graphs that run once before those, while one of them runs.
  private(set) var passingWeightBytes = 0
  /// Values of graphs that outlast the use of the workspace.
  private var keptArenaBytes = 0
  /// The memory that graphs work in, one after the other, and that weights are loaded through.
  private var workspaceBytes = 0
  /// Tensors between graphs, on the host.
  var tensorBytes = 0
  /// Weights that are read whenever the main graphs run.
  private(set) var streamedBytes = 0
  /// Operations of a run of the main graphs.
  private(set) var operationCount = 0

  /// Weights that stay, and memory for those that are streamed.
  var weightBytes: Int { stayingBytes + slotBytes }

  /// Weights that stay as long as the stage does.
  var stayingBytes: Int { residentBytes.values.reduce(0, +) }

  var peakBytes: Int { weightBytes + passingWeightBytes + activationBytes }

  var activationBytes: Int { keptArenaBytes + workspaceBytes + tensorBytes }

  /// Adds graphs that run again and again, all of whose values are kept meanwhile; they have the
  /// same weights.
  mutating func add(main plans: [ExecutionPlan]) {
    for plan in plans {
      addResident(of: plan)
      slotBytes = max(slotBytes, plan.slotBytes + plan.slotStagingBytes)
      streamedBytes = max(streamedBytes, plan.streamedBytes)
      keptArenaBytes += plan.memory.keptBytes
      workspaceBytes = max(workspaceBytes, plan.memory.workBytes, plan.loadingBytes)
      operationCount += plan.graph.operationCount
    }
  }

  /// Adds a graph that runs once and leaves nothing but what is copied elsewhere.
  mutating func add(passing plan: ExecutionPlan) {
    addResident(of: plan)
    passingWeightBytes = max(passingWeightBytes, plan.slotBytes + plan.slotStagingBytes)
    workspaceBytes = max(workspaceBytes, plan.memory.arenaBytes, plan.loadingBytes)
  }

  private mutating func addResident(of plan: ExecutionPlan) {
    // A weight may be there in two forms.
    let bytes = plan.weights.lazy.filter(\.isResident).reduce(into: [:]) {
      $0[$1.name, default: 0] += $1.byteCount
    }
    residentBytes.merge(bytes, uniquingKeysWith: max)
  }

  /// What holds this as well as another.
  func union(_ other: StageMemory) -> StageMemory {
    var union = self
    union.residentBytes.merge(other.residentBytes, uniquingKeysWith: max)
    union.slotBytes = max(slotBytes, other.slotBytes)
    union.passingWeightBytes = max(passingWeightBytes, other.passingWeightBytes)
    union.keptArenaBytes = max(keptArenaBytes, other.keptArenaBytes)
    union.workspaceBytes = max(workspaceBytes, other.workspaceBytes)
    union.tensorBytes = max(tensorBytes, other.tensorBytes)
    union.streamedBytes = max(streamedBytes, other.streamedBytes)
    union.operationCount = max(operationCount, other.operationCount)
    return union
  }
}
