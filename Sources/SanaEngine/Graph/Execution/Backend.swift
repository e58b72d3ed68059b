public import Support
public import WeightFormats

/// A device that runs graphs. The CPU walks the nodes; a GPU records them once and replays them.
///
/// The order of use: `plan` says what a run will take before anything is allocated; `load` opens a component; `prepare` makes the
/// weights that a graph reads resident and allocates the arena; `run` computes.
public protocol Backend: AnyObject {
  /// The name a user selects it by: `cpu`, `vulkan:0`.
  var name: String { get }

  /// What products are computed in.
  var precision: ComputePrecision { get }

  /// Ends whatever is computed; asked by those who work between graphs, too.
  var cancellation: CancellationToken? { get }

  /// The arena that `prepare` would allocate for this graph, whose weights `source` describes.
  func plan(_ graph: Graph, weights source: any WeightSource) -> MemoryPlan

  /// Bytes that a weight occupies on the device once a graph that reads it whole is prepared.
  func residentBytes(of weight: TensorDescription) -> Int

  /// Whether a resident weight is the very bytes that its source loads. Otherwise it is a rearranged copy, and while that is made
  /// both exist.
  func keepsLoadedBytes(of weight: TensorDescription) -> Bool

  func load(_ source: any WeightSource) -> any ResidentModel
}

/// One component's weights on a device. Each weight becomes resident with the first graph that reads it and stays until the
/// object goes away.
public protocol ResidentModel: AnyObject {
  /// Bytes of all weights resident now.
  var residentBytes: Int { get }

  /// - Throws: `SanaError` `.tensorMismatch` for a weight that is missing or has another shape than the graph says.
  func prepare(_ graph: Graph) throws -> any Executable
}

/// A graph bound to its weights and its memory.
public protocol Executable: AnyObject {
  var graph: Graph { get }
  var plan: MemoryPlan { get }

  /// Copies numbers into an input. They stay until they are overwritten, however often the graph runs.
  func write(_ tensor: HostTensor, to input: Value)

  /// Runs every node in order.
  /// - Parameter observer: called with each *named* value right after it is computed, before its memory can
  ///   be used again; once for each of its names. A throw stops the run.
  func run(observer: ((_ name: String, _ tensor: HostTensor) throws -> Void)?) throws

  /// Runs every node in order, of a graph that hands over the rows of its output.
  /// - Parameter onRows: given which rows come, each after the one above it, and their numbers, `[rows, width, channels]`, valid during
  ///   the call only. A throw stops the run.
  func run(
    onRows: (_ rows: Range<Int>, _ values: UnsafeBufferPointer<Float>) throws -> Void) throws

  /// Copies an output of the last run.
  func read(_ output: Value) -> HostTensor
}

extension Executable {
  /// All rows at once, for back ends that hold the output whole.
  public func run(
    onRows: (_ rows: Range<Int>, _ values: UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    try run(observer: nil)
    let output = read(graph.outputs[0])
    try output.values.withUnsafeBufferPointer { try onRows(0..<output.shape.height, $0) }
  }
}
