internal import SanaGraph

extension VulkanStep {
  private static let tile = 32
  /// Rows of a product: every device takes so many groups of a tile.
  static let greatestRows = 65535 * tile

  func dispatch(_ operation: Linear) -> VulkanDispatch {
    product(
      operation.input, operation.weight, operation.epilogue, form: 0, rows: output.rows,
      columns: output.channels, depth: operation.weight.shape[1])
  }

  func dispatch(_ operation: Convolution) -> VulkanDispatch {
    product(
      operation.input, operation.weight, operation.epilogue, form: 1, rows: output.rows,
      columns: output.channels, depth: operation.weight.shape.dropFirst().reduce(1, *),
      kernel: operation.kernel, stride: operation.stride, padding: operation.padding)
  }

  func dispatch(_ operation: UpsampleConvolution) -> VulkanDispatch {
    let input = graph[operation.input].shape
    return product(
      operation.input, operation.weight, operation.epilogue, form: 2, rows: input.rows,
      columns: output.channels, depth: 4 * input.channels, phases: 4)
  }

  private func product(
    _ input: Value, _ weight: Parameter, _ epilogue: Epilogue, form: UInt32, rows: Int,
    columns: Int, depth: Int, kernel: Int = 1, stride: Int = 1, padding: Int = 0, phases: Int = 1
  ) -> VulkanDispatch {
    let shape = graph[input].shape
    let gateChannels = epilogue.gate.map { graph[$0.value].shape.channels } ?? 0
    let push: [Int] = [
      rows, columns, depth, shape.channels, shape.height, shape.width, output.height, output.width,
      kernel, stride, padding, output.positions, gateChannels,
      (epilogue.gate?.index ?? 0) * columns,
    ]
    return VulkanDispatch(
      kernel: .product,
      constants: [
        form, epilogue.activation.word, epilogue.bias == nil ? 0 : 1, epilogue.gate == nil ? 0 : 1,
        epilogue.residual == nil ? 0 : 1,
      ],
      operands: [
        read(input), read(weight), epilogue.bias.map(read) ?? absent,
        epilogue.gate.map { read($0.value) } ?? absent, epilogue.residual.map(read) ?? absent,
        written,
      ],
      push: push.map(\.word),
      groups: [
        ((columns + Self.tile - 1) / Self.tile).word, ((rows + Self.tile - 1) / Self.tile).word,
        phases.word,
      ])
  }

  func dispatch(_ operation: GroupedLinear) -> VulkanDispatch {
    let channels = graph[operation.input].shape.channels
    return channelwise(
      operation.input, operation.weight, nil, form: 2,
      [channels, operation.weight.shape[1], output.channels / operation.groups])
  }

  func dispatch(_ operation: DepthwiseConvolution) -> VulkanDispatch {
    let shape = graph[operation.input].shape
    return channelwise(
      operation.input, operation.weight, operation.bias, form: operation.gatedLinearUnit ? 1 : 0,
      [shape.channels, shape.height, shape.width, operation.kernel])
  }

  private func channelwise(
    _ input: Value, _ weight: Parameter, _ bias: Parameter?, form: UInt32, _ sizes: [Int]
  ) -> VulkanDispatch {
    VulkanDispatch(
      kernel: .channelwise, constants: [form, bias == nil ? 0 : 1],
      operands: [read(input), read(weight), bias.map(read) ?? absent, written],
      push: ([output.rows, output.channels] + sizes).map(\.word),
      groups: Self.invocations(output.elementCount))
  }
}
