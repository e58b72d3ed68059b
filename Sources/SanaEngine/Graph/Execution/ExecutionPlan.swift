/// How a graph will be executed on a device, made from the graph and from descriptions of its
/// weights before anything is loaded. `prepare` of the object that carries it consumes it.
public struct ExecutionPlan: Sendable {
  /// Nodes that are computed at once.
  public struct Step: Sendable {
    /// Positions in `Graph.nodes`, of which the last one's value is the step's.
    public let nodes: ClosedRange<Int>
    /// What the step is: `node`, or the name of the pattern that its nodes are.
    public let form: String
    /// The segment that the step belongs to.
    public let segment: Int

    package init(nodes: ClosedRange<Int>, form: String, segment: Int) {
      self.nodes = nodes
      self.form = form
      self.segment = segment
    }
  }

  /// A weight in the form that the device computes with.
  public struct Weight: Hashable, Sendable {
    public let name: String
    /// Bytes on the device.
    public let byteCount: Int
    /// Bytes that exist beside those while the weight is brought into its form.
    public let stagingBytes: Int
    public let isResident: Bool

    package init(name: String, byteCount: Int, stagingBytes: Int, isResident: Bool) {
      self.name = name
      self.byteCount = byteCount
      self.stagingBytes = stagingBytes
      self.isResident = isResident
    }
  }

  public let graph: Graph
  public let choices: ExecutionChoices
  public let steps: [Step]
  public let memory: MemoryPlan
  public let weights: [Weight]
  /// Memory that weights which do not stay take, in turn.
  public let slotBytes: Int
  /// Memory that stays for bringing such weights into their form while the graph runs.
  public let slotStagingBytes: Int

  package init(
    graph: Graph, choices: ExecutionChoices, steps: [Step], memory: MemoryPlan, weights: [Weight],
    slotBytes: Int, slotStagingBytes: Int
  ) {
    self.graph = graph
    self.choices = choices
    self.steps = steps
    self.memory = memory
    self.weights = weights
    self.slotBytes = slotBytes
    self.slotStagingBytes = slotStagingBytes
  }

  public var arenaBytes: Int { memory.arenaBytes }

  /// Bytes of the weights that stay.
  public var residentBytes: Int { weights.reduce(0) { $0 + ($1.isResident ? $1.byteCount : 0) } }

  /// Bytes of weights that are loaded whenever the graph runs.
  public var streamedBytes: Int { weights.reduce(0) { $0 + ($1.isResident ? 0 : $1.byteCount) } }

  /// Bytes of all weights that are in memory at once.
  public var weightBytes: Int { residentBytes + slotBytes + slotStagingBytes }

  /// The most that exists beside a weight that stays while it is brought into its form.
  public var loadingBytes: Int {
    weights.reduce(0) { max($0, $1.isResident ? $1.stagingBytes : 0) }
  }
}

/// A graph with its plan, on the device that made it.
public protocol PlannedGraph: AnyObject {
  var plan: ExecutionPlan { get }

  /// Loads the weights that stay and claims the memory that is planned.
  /// - Throws: `SanaError` `.memoryLimit` when the device's ledger or the system refuses, what
  ///   reading the weights throws, `.cancelled`.
  func prepare(_ context: RunContext) throws -> any Executable
}
