public import Support
internal import WeightFormats

/// What accompanies one run: who ends it, and who is told about it. Every back end honours all of
/// it; nothing of it stays with the device.
public struct RunContext {
  /// Ends the run within the operation that it finds it in; the run throws, and its results are
  /// undefined.
  public var cancellation: CancellationToken?
  /// Called several times while a graph runs.
  public var onProgress: (() -> Void)?
  /// Called after every step: for profiles.
  public var onStep: ((_ step: ExecutedStep, _ graph: Graph) -> Void)?
  /// Called with every named value right after it was computed; a throw stops the run.
  public var observer: ValueObserver?
  /// Called before every node that is computed by itself, which all nodes of a graph are whose
  /// values all exist (`GraphBuilder.Fusion.observable`) or whose weights are used once
  /// (`Residency.once`).
  public var operandObserver: OperandObserver?

  /// Of a graph that hands over the rows of its output: takes them as they are made. A throw stops
  /// the run.
  public var onRows: RowHandler?

  public init(
    cancellation: CancellationToken? = nil, onProgress: (() -> Void)? = nil,
    onStep: ((_ step: ExecutedStep, _ graph: Graph) -> Void)? = nil,
    observer: ValueObserver? = nil
  ) {
    self.cancellation = cancellation
    self.onProgress = onProgress
    self.onStep = onStep
    self.observer = observer
  }

  /// The same run, also told of values where there is somebody to tell.
  package func observed(by observer: ValueObserver?) -> RunContext {
    var context = self
    if let observer { context.observer = observer }
    return context
  }
}

/// Takes rows of an image, from the top, each after the one above it: which they are and their
/// numbers, `[rows, width, channels]`, which are valid during the call only.
public typealias RowHandler = (
  _ rows: Range<Int>, _ values: UnsafeBufferPointer<Float>
) throws -> Void
