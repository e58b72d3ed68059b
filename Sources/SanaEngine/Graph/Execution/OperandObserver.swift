/// Called with a node that is about to be computed, with its graph, and with what copies one of its
/// operands; a throw stops the run.
public typealias OperandObserver = (
  _ node: Node, _ graph: Graph, _ read: (Value) -> HostTensor
) throws -> Void
