internal import SanaGraph

extension VulkanStep {
  func dispatch(_ operation: RMSNorm) -> VulkanDispatch {
    let range = operation.channels ?? 0..<output.channels
    return VulkanDispatch(
      kernel: .norm,
      constants: [
        0, operation.weight == nil ? 0 : 1, operation.bias == nil ? 0 : 1,
        operation.residual == nil ? 0 : 1,
      ],
      operands: [
        read(operation.input), operation.weight.map(read) ?? absent,
        operation.bias.map(read) ?? absent, operation.residual.map(read) ?? absent, written,
      ],
      push: [
        output.rows.word, output.channels.word, range.lowerBound.word, range.count.word,
        operation.epsilon.bitPattern, operation.weightOffset.bitPattern, output.positions.word,
      ],
      groups: Self.groups(output.rows))
  }

  func dispatch(_ operation: ModulatedLayerNorm) -> VulkanDispatch {
    let (scale, shift) = (operation.scale, operation.shift)
    return VulkanDispatch(
      kernel: .norm, constants: [1, 1, 1, 0],
      operands: [
        read(operation.input), read(scale.value), read(shift.value), absent, written,
      ],
      push: [
        output.rows.word, output.channels.word, 0, output.channels.word,
        operation.epsilon.bitPattern, 0, output.positions.word,
        graph[scale.value].shape.channels.word, (scale.index * output.channels).word,
        graph[shift.value].shape.channels.word, (shift.index * output.channels).word,
      ],
      groups: Self.groups(output.rows))
  }

  /// One of the kernel's forms: an invocation for each number of `shape`.
  private func elementwise(
    _ form: UInt32, option: UInt32 = 0, _ first: VulkanDispatch.Operand,
    _ second: VulkanDispatch.Operand? = nil, _ third: VulkanDispatch.Operand? = nil,
    over shape: Shape? = nil, push: [UInt32] = []
  ) -> VulkanDispatch {
    let shape = shape ?? output
    return VulkanDispatch(
      kernel: .elementwise, constants: [form, option],
      operands: [first, second ?? absent, third ?? absent, written],
      push: [shape.rows.word, shape.channels.word] + push,
      groups: Self.invocations(shape.elementCount))
  }

  func dispatch(_ operation: Add) -> VulkanDispatch {
    elementwise(
      0, read(operation.first), read(operation.second),
      push: [graph[operation.second].shape.elementCount.word])
  }

  func dispatch(_ operation: GatedResidual) -> VulkanDispatch {
    elementwise(
      1, option: operation.gate == nil ? 0 : 1, read(operation.input), read(operation.residual),
      operation.gate.map { read($0.value) },
      push: [
        output.positions.word, (operation.gate.map { graph[$0.value].shape.channels } ?? 0).word,
        ((operation.gate?.index ?? 0) * output.channels).word,
      ])
  }

  func dispatch(_ operation: Activate) -> VulkanDispatch {
    elementwise(2, option: operation.activation.word, read(operation.input))
  }

  func dispatch(_ operation: GatedLinearUnit) -> VulkanDispatch {
    elementwise(3, option: operation.activation.word, read(operation.input))
  }

  func dispatch(_ operation: AddTable) -> VulkanDispatch {
    elementwise(
      4, read(operation.input), read(operation.table),
      push: [graph[operation.input].shape.channels.word])
  }

  func dispatch(_ operation: SinusoidalEmbedding) -> VulkanDispatch {
    elementwise(5, read(operation.input), read(.frequencies))
  }

  func dispatches(_ operation: ConcatenateChannels) -> [VulkanDispatch] {
    var start = 0
    return operation.parts.map { part in
      let shape = graph[part].shape
      defer { start += shape.channels }
      return elementwise(6, read(part), over: shape, push: [output.channels.word, start.word])
    }
  }

  func dispatch(_ operation: PixelShuffle) -> VulkanDispatch {
    elementwise(
      7, read(operation.input),
      push: [output.width.word, graph[operation.input].shape.channels.word])
  }

  func dispatch(_ operation: PixelUnshuffle) -> VulkanDispatch {
    elementwise(
      8, read(operation.input),
      push: [output.width.word, graph[operation.input].shape.channels.word])
  }

  func dispatch(_ operation: DuplicateChannels) -> VulkanDispatch {
    let channels = graph[operation.input].shape.channels
    let factor = operation.factor
    return elementwise(
      9, read(operation.input), read(operation.residual),
      push: [
        output.width.word, channels.word, factor.word,
        (output.channels * factor * factor / channels).word,
      ])
  }

  func dispatch(_ operation: AverageChannels) -> VulkanDispatch {
    let channels = graph[operation.input].shape.channels
    let factor = operation.factor
    return elementwise(
      10, read(operation.input), read(operation.residual),
      push: [
        output.width.word, channels.word, factor.word,
        (channels * factor * factor / output.channels).word,
      ])
  }

  func dispatch(_ operation: EmbeddingLookup) -> VulkanDispatch {
    elementwise(11, read(.rows), push: [operation.scale.bitPattern])
  }
}
