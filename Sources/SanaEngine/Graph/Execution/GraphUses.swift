/// Who makes each value of a graph, and how many read it.
package struct GraphUses {
  private let producers: [Int?]
  private let readerCounts: [Int]

  package init(_ graph: Graph) {
    var producers = [Int?](repeating: nil, count: graph.values.count)
    var readerCounts = [Int](repeating: 0, count: graph.values.count)
    for (position, node) in graph.nodes.enumerated() {
      producers[node.output.index] = position
      for input in node.operation.payload.inputs { readerCounts[input.index] += 1 }
    }
    self.producers = producers
    for value in graph.outputs { readerCounts[value.index] += 1 }
    self.readerCounts = readerCounts
  }

  /// The node that makes a value; nil for an input of the graph.
  package func producer(of value: Value) -> Int? { producers[value.index] }

  /// How many inputs of nodes the value is, and one more for an output of the graph.
  package func readerCount(of value: Value) -> Int {
    readerCounts[value.index]
  }

  /// Whether one input of one node is all that reads the value.
  package func hasSoleReader(_ value: Value) -> Bool { readerCount(of: value) == 1 }
}
