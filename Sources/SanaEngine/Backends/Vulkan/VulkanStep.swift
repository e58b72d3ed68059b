internal import SanaGraph

/// Turns a node into the kernels that compute it. The operations are in the extensions, one file a
/// family.
struct VulkanStep {
  let executable: VulkanExecutable
  let graph: Graph
  /// Position in `Graph.nodes`.
  let position: Int

  var node: Node { graph.nodes[position] }
  var output: Shape { graph[node.output].shape }

  /// The kernels of the node, in order.
  var dispatches: [VulkanDispatch] {
    switch node.operation {
    case .linear(let operation): [dispatch(operation)]
    case .groupedLinear(let operation): [dispatch(operation)]
    case .convolution(let operation): [dispatch(operation)]
    case .upsampleConvolution(let operation): [dispatch(operation)]
    case .depthwiseConvolution(let operation): [dispatch(operation)]
    case .rmsNorm(let operation): [dispatch(operation)]
    case .modulatedLayerNorm(let operation): [dispatch(operation)]
    case .reluAttention(let operation): dispatches(operation)
    case .crossAttention(let operation): [dispatch(operation)]
    case .causalAttention(let operation): [dispatch(operation)]
    case .embeddingLookup(let operation): [dispatch(operation)]
    case .sinusoidalEmbedding(let operation): [dispatch(operation)]
    case .addTable(let operation): [dispatch(operation)]
    case .add(let operation): [dispatch(operation)]
    case .gatedResidual(let operation): [dispatch(operation)]
    case .activate(let operation): [dispatch(operation)]
    case .gatedLinearUnit(let operation): [dispatch(operation)]
    case .concatenateChannels(let operation): dispatches(operation)
    case .pixelShuffle(let operation): [dispatch(operation)]
    case .pixelUnshuffle(let operation): [dispatch(operation)]
    case .duplicateChannels(let operation): [dispatch(operation)]
    case .averageChannels(let operation): [dispatch(operation)]
    }
  }

  /// Working memory of a node.
  static func scratchBytes(_ graph: Graph, node position: Int) -> Int {
    guard case .reluAttention(let attention) = graph.nodes[position].operation,
      attention.form == .linear
    else { return 0 }
    let shape = graph[attention.queryKeyValue].shape
    let cells = attention.headDimension * (attention.headDimension + 1)
    let runs = reluRuns(positions: shape.positions)
    return shape.batch * attention.heads * (runs + 1) * cells * MemoryLayout<Float>.size
  }

  /// Positions whose keys times values one invocation sums.
  static let reluRun = 256

  static func reluRuns(positions: Int) -> Int { (positions + reluRun - 1) / reluRun }

  // MARK: What kernels are given

  func read(_ value: Value) -> VulkanDispatch.Operand {
    .init(window: executable.window(of: value), reads: true, writes: false)
  }

  func read(_ parameter: Parameter) -> VulkanDispatch.Operand {
    .init(window: executable.window(of: parameter), reads: true, writes: false)
  }

  func read(_ use: VulkanTable.Use) -> VulkanDispatch.Operand {
    .init(
      window: executable.window(of: .init(node: position, use: use)), reads: true, writes: false)
  }

  var written: VulkanDispatch.Operand {
    .init(window: executable.window(of: node.output), reads: false, writes: true)
  }

  /// Fills the place of an operand that there is not.
  var absent: VulkanDispatch.Operand {
    .init(window: executable.window(of: node.output), reads: false, writes: false)
  }

  /// Groups of 64 invocations, in two dimensions: no device must take more than 65535 in one.
  static func groups(_ count: Int) -> [UInt32] {
    let width = min(max(count, 1), 32768)
    return [UInt32(width), UInt32((count + width - 1) / width), 1]
  }

  static func invocations(_ count: Int) -> [UInt32] { groups((count + 63) / 64) }
}

extension Int {
  /// As a push constant: sizes of graphs fit, and differences wrap as in the kernels.
  var word: UInt32 { UInt32(truncatingIfNeeded: self) }
}

extension Activation {
  /// As kernels call it.
  var word: UInt32 {
    switch self {
    case .none: 0
    case .relu: 1
    case .silu: 2
    case .geluTanh: 3
    }
  }
}
