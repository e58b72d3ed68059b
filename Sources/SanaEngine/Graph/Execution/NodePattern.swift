/// Nodes that a back end may compute as one, found from the last one on: each makes what nodes
/// found before it read, and nobody else reads.
package struct NodePattern {
  private let graph: Graph
  private let uses: GraphUses
  private var positions: [Int]

  package init(_ graph: Graph, _ uses: GraphUses, endingAt position: Int) {
    self.graph = graph
    self.uses = uses
    positions = [position]
  }

  /// Takes the node that makes a value among the others.
  /// - Parameter count: how many inputs of those others the value is.
  /// - Returns: what it computes; nil where no node makes the value, or others read it.
  package mutating func take(_ value: Value, readBy count: Int = 1) -> Operation? {
    guard uses.readerCount(of: value) == count, let position = uses.producer(of: value),
      !positions.contains(position)
    else { return nil }
    positions.append(position)
    return graph.nodes[position].operation
  }

  /// Takes a node that makes a value, if it is one that the body accepts.
  package mutating func take<Found>(_ value: Value, if accept: (Operation) -> Found?) -> Found? {
    var longer = self
    guard let found = longer.take(value).flatMap(accept) else { return nil }
    self = longer
    return found
  }

  /// Where the nodes are; nil unless they follow each other.
  package var nodes: ClosedRange<Int>? {
    guard let first = positions.min(), positions[0] - first == positions.count - 1 else {
      return nil
    }
    return first...positions[0]
  }
}

extension Operation {
  /// The operation where it is a product, otherwise nil.
  package var linear: Linear? {
    if case .linear(let linear) = self { linear } else { nil }
  }

  package var modulatedLayerNorm: ModulatedLayerNorm? {
    if case .modulatedLayerNorm(let norm) = self { norm } else { nil }
  }

  package var rmsNorm: RMSNorm? { if case .rmsNorm(let norm) = self { norm } else { nil } }

  /// The operation where it is a norm of all channels of a position, otherwise nil.
  package var wholeNorm: RMSNorm? {
    if case .rmsNorm(let norm) = self, norm.channels == nil { norm } else { nil }
  }
}
