internal import SanaGraph

/// What a stage holds at its fullest, from the plans of its graphs.
struct StageMemory: Hashable {
  /// Weights that stay while the stage's main graphs run, and memory for those that are streamed.
  var weightBytes = 0
  /// Weights of graphs that run once before those, while one of them runs.
  var passingWeightBytes = 0
  /// Values of graphs that outlast the use of the workspace.
  var keptArenaBytes = 0
  /// The memory that graphs work in, one after the other, and that weights are loaded through.
  var workspaceBytes = 0
  /// Tensors between graphs, on the host.
  var tensorBytes = 0
  /// Weights that are read whenever the main graphs run.
  var streamedBytes = 0
  /// Operations of a run of the main graphs.
  var operationCount = 0

  var peakBytes: Int {
    weightBytes + passingWeightBytes + keptArenaBytes + workspaceBytes + tensorBytes
  }

  var activationBytes: Int { keptArenaBytes + workspaceBytes + tensorBytes }

  /// Adds graphs that run again and again, all of whose values are kept meanwhile; they have the
  /// same weights.
  mutating func add(main plans: [ExecutionPlan]) {
    weightBytes += plans.map(\.weightBytes).max() ?? 0
    streamedBytes += plans.map(\.streamedBytes).max() ?? 0
    for plan in plans {
      keptArenaBytes += plan.memory.keptBytes
      workspaceBytes = max(workspaceBytes, plan.memory.workBytes, plan.loadingBytes)
      operationCount += plan.graph.operationCount
    }
  }

  /// Adds a graph that runs once and leaves nothing but what is copied elsewhere.
  mutating func add(passing plan: ExecutionPlan) {
    weightBytes += plan.residentBytes
    passingWeightBytes = max(passingWeightBytes, plan.slotBytes + plan.slotStagingBytes)
    workspaceBytes = max(workspaceBytes, plan.memory.arenaBytes, plan.loadingBytes)
  }
}
