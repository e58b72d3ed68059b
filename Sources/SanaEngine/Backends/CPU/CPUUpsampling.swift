internal import CKernels

/// DC-AE's way up computed as one: an upsampling convolution with int8 activations, then its shortcut, which is added while the
/// convolution's results are in registers.
struct CPUUpsampling {
  let convolution: UpsampleConvolution
  let shortcut: DuplicateChannels
  /// Positions of the nodes in the graph.
  let nodes: ClosedRange<Int>
}

extension CPUDevice {
  /// The upsampling whose last node is at this position; its convolution's weight must be packed for int8 activations.
  /// - Parameter readers: how many nodes read each value.
  func upsampling(_ graph: Graph, endingAt position: Int, _ readers: [Int]) -> CPUUpsampling? {
    guard graph.fusion == .full, position >= 1,
      case .duplicateChannels(let shortcut) = graph.nodes[position].operation,
      case .upsampleConvolution(let convolution) = graph.nodes[position - 1].operation,
      shortcut.residual == graph.nodes[position - 1].output, readers[shortcut.residual.index] == 1,
      shortcut.input == convolution.input, shortcut.factor == 2,
      convolution.epilogue.inputs.isEmpty,
      kernels.has_shortcut(graph[convolution.input].shape.channels, convolution.outputs)
    else { return nil }
    return CPUUpsampling(
      convolution: convolution, shortcut: shortcut, nodes: position - 1...position)
  }
}
