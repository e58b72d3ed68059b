internal import SanaGraph

/// Nodes that a back end may compute as one, found from the last one on: each makes what nodes found before it read, and nobody else reads.
struct NodePattern {
  private let graph: Graph
  private let readers: [Int]
  private var positions: [Int]

  /// - Parameter readers: how many inputs each value is.
  init(_ graph: Graph, _ readers: [Int], endingAt position: Int) {
    self.graph = graph
    self.readers = readers
    positions = [position]
  }

  /// Takes the node that makes a value among the others.
  /// - Parameter count: how many inputs of those others the value is.
  /// - Returns: what it computes; nil where no node makes the value, or others read it.
  mutating func take(_ value: Value, readBy count: Int = 1) -> Operation? {
    guard readers[value.index] == count,
      let position = graph.nodes[..<positions[0]].lastIndex(where: { $0.output == value }),
      !positions.contains(position)
    else { return nil }
    positions.append(position)
    return graph.nodes[position].operation
  }

  /// Takes a node that makes a value, if it is one that the body accepts.
  mutating func take<Found>(_ value: Value, if accept: (Operation) -> Found?) -> Found? {
    var longer = self
    guard let found = longer.take(value).flatMap(accept) else { return nil }
    self = longer
    return found
  }

  /// Where the nodes are; nil unless they follow each other.
  var nodes: ClosedRange<Int>? {
    guard let first = positions.min(), positions[0] - first == positions.count - 1 else {
      return nil
    }
    return first...positions[0]
  }
}

extension Operation {
  /// The operation where it is a product, otherwise nil.
  var linear: Linear? {
    if case .linear(let linear) = self { linear } else { nil }
  }

  var modulatedLayerNorm: ModulatedLayerNorm? {
    if case .modulatedLayerNorm(let norm) = self { norm } else { nil }
  }

  /// The operation where it is a norm of all channels of a position, otherwise nil.
  var wholeNorm: RMSNorm? {
    if case .rmsNorm(let norm) = self, norm.channels == nil { norm } else { nil }
  }
}
