internal import Support
public import WeightFormats

/// A device that runs graphs. The CPU walks the nodes; a GPU records them once and replays them.
///
/// The order of use: `load` opens a component; `plan` says how a graph will be executed and what it
/// takes, before anything is allocated; `prepare` of that plan makes the weights that stay resident
/// and claims the memory; `run` computes.
public protocol Backend: AnyObject {
  /// The name a user selects it by: `cpu`, `vulkan:0`.
  var name: String { get }

  /// What products are computed in.
  var precision: ComputePrecision { get }

  /// Counts the device's memory.
  var ledger: MemoryLedger { get }

  /// Measures what the arithmetic units can do; nil where nobody can say.
  func measurePeak() -> ProcessorPeak?

  /// - Parameter ledger: counts the model's memory: the device's, or one within it.
  func load(_ source: any WeightSource, ledger: MemoryLedger) -> any ResidentModel
}

extension Backend {
  /// Counts the model's memory in the device's ledger alone.
  public func load(_ source: any WeightSource) -> any ResidentModel {
    load(source, ledger: ledger)
  }

  /// How a graph would be executed whose weights a source describes.
  /// - Throws: `SanaError` `.tensorMismatch` for a weight that is missing or has another shape.
  public func plan(
    _ graph: Graph, weights source: any WeightSource, _ choices: ExecutionChoices = .init()
  ) throws -> ExecutionPlan {
    try load(source).plan(graph, choices).plan
  }
}

/// One component's weights on a device. Each weight that stays becomes resident with the first
/// graph that reads it and stays until the object goes away.
public protocol ResidentModel: AnyObject {
  /// Bytes of all weights resident now.
  var residentBytes: Int { get }

  /// - Throws: `SanaError` `.tensorMismatch` for a weight that is missing or has another shape than
  ///   the graph says.
  func plan(_ graph: Graph, _ choices: ExecutionChoices) throws -> any PlannedGraph

  /// Runs graphs that this model prepared, segment by segment: all of them do a segment before any
  /// begins the next, so that weights which do not stay are read once for all. The graphs have the
  /// same weights in the same segments.
  /// - Throws: what ends the run: `.cancelled`, what the observer throws, what loading throws.
  func run(_ executables: [any Executable], _ context: RunContext) throws
  /// Gives back the memory that graphs share, until one is prepared again; none is run before.
  func releaseWorkspace()
}

extension ResidentModel {
  /// Plans and prepares.
  public func prepare(
    _ graph: Graph, _ choices: ExecutionChoices = .init(), _ context: RunContext = .init()
  ) throws -> any Executable {
    try plan(graph, choices).prepare(context)
  }
}

/// A graph bound to its weights and its memory.
public protocol Executable: AnyObject {
  var plan: ExecutionPlan { get }

  /// Copies numbers into an input. They stay until they are overwritten, however often the graph
  /// runs.
  func write(_ tensor: HostTensor, to input: Value)

  /// Copies an output of another executable of the same device into an input, without the host.
  func copy(_ output: Value, of other: any Executable, to input: Value)

  /// Runs every node in order.
  func run(_ context: RunContext) throws

  /// Copies an output of the last run.
  func read(_ output: Value) -> HostTensor
}

extension Executable {
  public var graph: Graph { plan.graph }

  /// By way of the host.
  public func copy(_ output: Value, of other: any Executable, to input: Value) {
    write(other.read(output), to: input)
  }

  /// Runs every node in order.
  /// - Parameter observer: called with each *named* value right after it is computed, before its
  ///   memory can be used again; once for each of its names. A throw stops the run.
  public func run(observer: ValueObserver? = nil) throws {
    try run(RunContext(observer: observer))
  }

  /// Runs every node in order, of a graph that hands over the rows of its output.
  /// - Parameter onRows: as `RunContext.onRows`.
  public func run(_ context: RunContext = RunContext(), onRows: RowHandler) throws {
    try withoutActuallyEscaping(onRows) { onRows in
      var context = context
      context.onRows = onRows
      try run(context)
    }
  }
}
