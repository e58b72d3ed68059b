/// The numbers that a product multiplies.
public enum Arithmetic: String, Hashable, Sendable {
  case f32
  case bf16
  case int8
}

/// What a back end did at once while it ran a graph, for profiles.
public struct ExecutedStep: Sendable {
  /// One node, or those that were computed as one.
  public let nodes: [Node]
  /// Additions and multiplications of its products and attentions; 0 where the step is bound by
  /// memory.
  public let operationCount: Int
  /// What nearly all of the operations multiply.
  public let arithmetic: Arithmetic
  public let duration: Duration

  package init(
    nodes: [Node], operationCount: Int, arithmetic: Arithmetic, duration: Duration
  ) {
    self.nodes = nodes
    self.operationCount = operationCount
    self.arithmetic = arithmetic
    self.duration = duration
  }

  /// The kinds of the nodes: `modulatedLayerNorm + linear`.
  public var kind: String { nodes.map(\.operation.kind).joined(separator: " + ") }

  /// The name of the weight that the step multiplies, otherwise that of its value.
  public func name(in graph: Graph) -> String {
    for node in nodes.reversed() {
      switch node.operation {
      case .linear(let operation): return operation.weight.name
      case .groupedLinear(let operation): return operation.weight.name
      case .convolution(let operation): return operation.weight.name
      case .upsampleConvolution(let operation): return operation.weight.name
      default: continue
      }
    }
    return nodes.last.flatMap { graph[$0.output].names.last } ?? kind
  }
}

extension Graph {
  /// Of all nodes.
  package var operationCount: Int { nodes.reduce(0) { $0 + operationCount(of: $1) } }

  /// Additions and multiplications of a node's products, counting what the mathematics asks for:
  /// tokens that exist only at run time are taken to be all that there is room for, and a
  /// convolution that is computed with fewer multiplications may exceed the peak.
  package func operationCount(of node: Node) -> Int {
    let output = self[node.output].shape
    switch node.operation {
    case .linear(let operation):
      return 2 * output.elementCount * operation.weight.shape[1]
    case .groupedLinear(let operation):
      return 2 * output.elementCount * operation.weight.shape[1]
    case .convolution(let operation):
      return 2 * output.elementCount * operation.weight.shape.dropFirst().reduce(1, *)
    case .upsampleConvolution(let operation):
      return 2 * output.elementCount * operation.weight.shape.dropFirst().reduce(1, *)
    case .depthwiseConvolution(let operation):
      return 2 * self[operation.input].shape.elementCount * operation.kernel * operation.kernel
    case .reluAttention(let operation):
      let keys =
        operation.form == .linear
        ? operation.headDimension : self[operation.queryKeyValue].shape.positions
      return 4 * output.elementCount * keys
    case .crossAttention(let operation):
      return 4 * output.elementCount * self[operation.keyValue].shape.positions
    case .causalAttention(let operation):
      return 2 * output.elementCount * (output.positions + 2 * operation.firstPosition)
    default:
      return 0
    }
  }
}
