/// Who makes and who reads each value of a graph.
package struct GraphUses {
  private let producers: [Int?]
  private let readers: [[Int]]
  private let outputs: Set<Value>

  package init(_ graph: Graph) {
    var producers = [Int?](repeating: nil, count: graph.values.count)
    var readers = [[Int]](repeating: [], count: graph.values.count)
    for (position, node) in graph.nodes.enumerated() {
      producers[node.output.index] = position
      for input in node.operation.payload.inputs { readers[input.index].append(position) }
    }
    self.producers = producers
    self.readers = readers
    outputs = Set(graph.outputs)
  }

  /// The node that makes a value; nil for an input of the graph.
  package func producer(of value: Value) -> Int? { producers[value.index] }

  /// The nodes that read a value, once for each of their inputs that it is.
  package func readers(of value: Value) -> [Int] { readers[value.index] }

  /// How many inputs of nodes the value is, and one more for an output of the graph.
  package func readerCount(of value: Value) -> Int {
    readers[value.index].count + (outputs.contains(value) ? 1 : 0)
  }

  /// Whether one input of one node is all that reads the value.
  package func hasSoleReader(_ value: Value) -> Bool { readerCount(of: value) == 1 }

  /// The node that makes a value which one input of one node alone reads: such a value need not
  /// exist where both are computed as one.
  package func soleProducer(of value: Value) -> Int? {
    hasSoleReader(value) ? producer(of: value) : nil
  }

  /// The only node that reads a value; nil where there are several, or it is an output.
  package func soleReader(of value: Value) -> Int? {
    hasSoleReader(value) ? readers[value.index].first : nil
  }
}
