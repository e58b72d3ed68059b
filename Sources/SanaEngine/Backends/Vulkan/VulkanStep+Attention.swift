internal import SanaGraph

extension VulkanStep {
  /// Channels of a query that the kernel of softmax attention holds.
  static let greatestHead = 512

  func dispatches(_ operation: ReluAttention) -> [VulkanDispatch] {
    let shape = graph[operation.queryKeyValue].shape
    let runs = Self.reluRuns(positions: shape.positions)
    let cells = operation.headDimension * (operation.headDimension + 1)
    let heads = shape.batch * operation.heads
    func dispatch(
      _ form: UInt32, _ operands: [VulkanDispatch.Operand], invocations: Int
    ) -> VulkanDispatch {
      VulkanDispatch(
        kernel: .reluAttention, constants: [form, operation.layout == .triples ? 1 : 0],
        operands: operands,
        push: [
          shape.batch.word, shape.positions.word, operation.heads.word,
          operation.headDimension.word, Self.reluRun.word, runs.word,
        ],
        groups: Self.invocations(invocations))
    }
    let input = read(operation.queryKeyValue)
    guard operation.form == .linear else {
      return [dispatch(3, [input, absent, written], invocations: output.elementCount)]
    }
    let scratch = executable.scratch(of: position)
    func sums(reads: Bool, writes: Bool) -> VulkanDispatch.Operand {
      .init(window: scratch, reads: reads, writes: writes)
    }
    return [
      dispatch(
        0, [input, sums(reads: false, writes: true), absent], invocations: heads * runs * cells),
      dispatch(1, [absent, sums(reads: true, writes: true), absent], invocations: heads * cells),
      dispatch(
        2, [input, sums(reads: true, writes: false), written], invocations: output.elementCount),
    ]
  }

  func dispatch(_ operation: CrossAttention) -> VulkanDispatch {
    let width = operation.heads * operation.headDimension
    let scale = 1 / Double(operation.headDimension).squareRoot()
    return attention(
      causal: 0,
      [
        read(operation.query), read(operation.keyValue), read(operation.tokenCounts), absent,
        absent, written,
      ],
      push: [
        operation.heads.word, operation.headDimension.word, width.word, (2 * width).word,
        graph[operation.keyValue].shape.positions.word, output.positions.word, 0, 0,
        Float(scale).bitPattern, 0, 1, 0, width.word, 0, 0,
      ])
  }

  func dispatch(_ operation: CausalAttention) -> VulkanDispatch {
    let shape = graph[operation.queryKeyValue].shape
    let keyWidth = operation.keyValueHeads * operation.headDimension
    let queryWidth = operation.heads * operation.headDimension
    return attention(
      causal: 1,
      [
        read(operation.queryKeyValue), read(operation.queryKeyValue), absent,
        operation.earlier == nil ? absent : read(.earlier), read(.rotation), written,
      ],
      push: [
        operation.heads.word, operation.headDimension.word, shape.channels.word,
        shape.channels.word, shape.positions.word, output.positions.word,
        operation.firstPosition.word, (operation.window ?? 0).word, operation.scale.bitPattern,
        (operation.softcap ?? 0).bitPattern, (operation.heads / operation.keyValueHeads).word,
        queryWidth.word, (queryWidth + keyWidth).word, (2 * keyWidth).word, keyWidth.word,
      ])
  }

  private func attention(
    causal: UInt32, _ operands: [VulkanDispatch.Operand], push: [UInt32]
  ) -> VulkanDispatch {
    precondition(output.channels / Int(push[0]) <= Self.greatestHead, "the plan refuses it")
    return VulkanDispatch(
      kernel: .attention, constants: [causal], operands: operands,
      push: [output.rows.word] + push, groups: Self.groups(output.rows * Int(push[0])))
  }
}

extension Operation {
  /// Channels of a head of softmax attention; nil for other operations.
  var softmaxHeadDimension: Int? {
    switch self {
    case .crossAttention(let attention): attention.headDimension
    case .causalAttention(let attention): attention.headDimension
    default: nil
    }
  }
}
