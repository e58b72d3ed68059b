internal import CKernels
internal import SanaGraph

/// Consecutive nodes whose values nobody else reads, so that the CPU may compute them as one. The last node's value is the
/// chain's.
///
/// What a chain means is what its nodes mean one after the other. Which chains there are depends on the graph alone; whether one is
/// computed as one depends on its weights too: only products of int8 activations are.
struct CPUChain {
  enum Form {
    case product
    /// Queries, keys and values are never stored. Where queries and keys are normalized over all heads, keys are: their factors
    /// must be known before they are summed.
    case attention(ReluAttention, norms: QueryKeyNorms?)
    /// The hidden activations are never stored.
    case feedForward(DepthwiseConvolution)
  }

  struct QueryKeyNorms {
    let query: RMSNorm
    let key: RMSNorm
  }

  /// Where the product's input is normalized.
  let norm: ModulatedLayerNorm?
  let linear: Linear
  let form: Form
  /// Positions of the nodes in the graph.
  let nodes: ClosedRange<Int>

  /// What the product reads, before it is normalized.
  var input: Value { norm?.input ?? linear.input }
}

extension CPUDevice {
  /// The chains of a graph by the position of their last node, a single product not among them.
  /// - Parameter readers: how many inputs each value is.
  func chains(_ graph: Graph, _ readers: [Int]) -> [Int: CPUChain] {
    guard graph.fusion == .full else { return [:] }
    /// Whether the node at a position is the only reader of the one before it.
    func continues(_ position: Int) -> Bool {
      guard position > 0 else { return false }
      let value = graph.nodes[position - 1].output
      return readers[value.index] == 1
        && graph.nodes[position].operation.payload.inputs.contains(value)
    }
    func linear(_ position: Int) -> Linear? {
      if case .linear(let linear) = graph.nodes[position].operation { linear } else { nil }
    }

    var chains: [Int: CPUChain] = [:]
    for position in graph.nodes.indices {
      var first = position
      let product: Linear
      let form: CPUChain.Form
      switch graph.nodes[position].operation {
      case .linear(let operation):
        product = operation
        form = .product
      case .reluAttention(let operation) where continues(position):
        let norms = queryKeyNorms(operation, graph, before: position, continues)
        let start = norms == nil ? position - 1 : position - 3
        guard let before = linear(start), hasKernel(operation, after: before) else { continue }
        (product, form, first) = (before, .attention(operation, norms: norms), start)
      case .depthwiseConvolution(let operation) where continues(position):
        guard let before = linear(position - 1), hasKernel(operation, after: before) else {
          continue
        }
        (product, form, first) = (before, .feedForward(operation), position - 1)
      default:
        continue
      }
      var norm: ModulatedLayerNorm?
      if continues(first), case .modulatedLayerNorm(let before) = graph.nodes[first - 1].operation,
        graph.nodes[first - 1].output == product.input
      {
        norm = before
        first -= 1
      }
      guard first < position else { continue }
      chains[position] = CPUChain(
        norm: norm, linear: product, form: form, nodes: first...position)
    }
    return chains
  }

  /// The norms of queries and keys between a product and its attention, where there are any.
  private func queryKeyNorms(
    _ attention: ReluAttention, _ graph: Graph, before position: Int, _ continues: (Int) -> Bool
  ) -> CPUChain.QueryKeyNorms? {
    let width = attention.heads * attention.headDimension
    guard position >= 3, continues(position - 1), continues(position - 2),
      case .rmsNorm(let key) = graph.nodes[position - 1].operation,
      case .rmsNorm(let query) = graph.nodes[position - 2].operation,
      query.channels == 0..<width, key.channels == width..<2 * width,
      [query, key].allSatisfy({ $0.bias == nil && $0.residual == nil }),
      query.weight != nil, query.weightOffset == 0
    else { return nil }
    return CPUChain.QueryKeyNorms(query: query, key: key)
  }

  private func hasKernel(_ attention: ReluAttention, after linear: Linear) -> Bool {
    attention.form == .linear && attention.layout == .blocks
      && kernels.has_relu_attention_int8(attention.headDimension) && linear.epilogue.isPlain
  }

  private func hasKernel(_ convolution: DepthwiseConvolution, after linear: Linear) -> Bool {
    convolution.gatedLinearUnit && convolution.kernel == 3
      && kernels.has_feed_forward(linear.weight.shape[0] / 2)
      && linear.epilogue.gate == nil && linear.epilogue.residual == nil
  }
}

extension Epilogue {
  /// Whether sums are stored as they are.
  fileprivate var isPlain: Bool {
    bias == nil && activation == .none && gate == nil && residual == nil
  }
}
