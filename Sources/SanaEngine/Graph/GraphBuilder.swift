/// Builds a `Graph` operation by operation; models call its methods in the order of the paper's figures.
///
/// Shapes are checked as the graph grows: a wrong one is a mistake in a model file and stops the program.
public struct GraphBuilder {
  /// Whether gates and residuals may disappear into the epilogue of the product before them, and what back ends may do of the kind.
  public enum Fusion: Sendable {
    /// As fast as possible. Products with a gate or residual have no value of their own, and a back end that computes several nodes
    /// as one does not make the values between them.
    case full
    /// Every named value of the model exists and can be observed.
    case observable
  }

  private var graph: Graph
  private let fusion: Fusion

  public init(name: String, fusion: Fusion = .full) {
    self.graph = Graph(name: name, fusion: fusion)
    self.fusion = fusion
  }

  public func shape(_ value: Value) -> Shape { graph[value].shape }

  /// Gives a value a name, or one more, under which it is observed.
  public mutating func name(_ value: Value, _ name: String) {
    graph.values[value.index].names.append(name)
  }

  /// Says that what was appended since the last call belongs together, as a block of a network
  /// does: weights may be in memory for one segment at a time.
  public mutating func endSegment() {
    guard graph.segmentEnds.last ?? 0 < graph.nodes.count else { return }
    graph.segmentEnds.append(graph.nodes.count)
  }

  /// - Parameter handsOverRows: whether the rows of the output, which is one of one image, are to
  ///   be handed over as they are made.
  public mutating func finish(outputs: [Value], handsOverRows: Bool = false) -> Graph {
    precondition(!handsOverRows || (outputs.count == 1 && shape(outputs[0]).batch == 1))
    graph.outputs = outputs
    graph.handsOverRows = handsOverRows
    return graph
  }

  private mutating func makeValue(
    _ shape: Shape, _ precision: Precision = .f32, name: String? = nil
  ) -> Value {
    graph.values.append(
      ValueDescription(shape: shape, precision: precision, names: name.map { [$0] } ?? []))
    return Value(index: graph.values.count - 1)
  }

  private mutating func append(_ operation: Operation, _ shape: Shape, name: String?) -> Value {
    let output = makeValue(shape, name: name)
    graph.nodes.append(Node(operation: operation, output: output))
    return output
  }

  // MARK: Inputs

  public mutating func input(_ name: String, _ shape: Shape, _ precision: Precision = .f32) -> Value
  {
    let value = makeValue(shape, precision, name: name)
    graph.inputs.append(value)
    return value
  }

  // MARK: Products with weights

  public mutating func linear(
    _ input: Value, weight: Parameter, bias: Parameter? = nil, activation: Activation = .none,
    gate: ModulationRow? = nil, residual: Value? = nil, name: String? = nil
  ) -> Value {
    precondition(
      weight.shape.count == 2 && weight.shape[1] == shape(input).channels,
      "\(weight) on \(shape(input))")
    let output = shape(input).with(channels: weight.shape[0])
    return product(
      output, bias: bias, activation: activation, gate: gate, residual: residual, name: name
    ) { .linear(Linear(input: input, weight: weight, epilogue: $0)) }
  }

  public mutating func groupedLinear(
    _ input: Value, weight: Parameter, groups: Int, name: String? = nil
  ) -> Value {
    precondition(weight.shape.count == 2 && weight.shape[1] * groups == shape(input).channels)
    precondition(weight.shape[0] % groups == 0)
    return append(
      .groupedLinear(GroupedLinear(input: input, weight: weight, groups: groups)),
      shape(input).with(channels: weight.shape[0]), name: name)
  }

  public mutating func convolution(
    _ input: Value, weight: Parameter, bias: Parameter? = nil, stride: Int = 1, padding: Int = 1,
    activation: Activation = .none, residual: Value? = nil, name: String? = nil
  ) -> Value {
    precondition(weight.shape.count == 4 && weight.shape[3] == shape(input).channels)
    let size = shape(input)
    let kernel = weight.shape[1]
    let output = Shape(
      batch: size.batch, height: (size.height + 2 * padding - kernel) / stride + 1,
      width: (size.width + 2 * padding - kernel) / stride + 1, channels: weight.shape[0])
    return product(
      output, bias: bias, activation: activation, gate: nil, residual: residual, name: name
    ) {
      .convolution(
        Convolution(input: input, weight: weight, stride: stride, padding: padding, epilogue: $0))
    }
  }

  public mutating func upsampleConvolution(
    _ input: Value, weight: Parameter, bias: Parameter? = nil, residual: Value? = nil,
    name: String? = nil
  ) -> Value {
    let size = shape(input)
    precondition(weight.shape.dropFirst() == [2, 2, size.channels] && weight.shape[0] % 4 == 0)
    let output = Shape(
      batch: size.batch, height: 2 * size.height, width: 2 * size.width,
      channels: weight.shape[0] / 4)
    return product(
      output, bias: bias, activation: .none, gate: nil, residual: residual, name: name
    ) { .upsampleConvolution(UpsampleConvolution(input: input, weight: weight, epilogue: $0)) }
  }

  public mutating func depthwiseConvolution(
    _ input: Value, weight: Parameter, bias: Parameter? = nil, gatedLinearUnit: Bool = false,
    name: String? = nil
  ) -> Value {
    let channels = shape(input).channels
    precondition(weight.shape.count == 3 && weight.shape[2] == channels)
    return append(
      .depthwiseConvolution(
        DepthwiseConvolution(
          input: input, weight: weight, bias: bias, gatedLinearUnit: gatedLinearUnit)),
      shape(input).with(channels: gatedLinearUnit ? channels / 2 : channels), name: name)
  }

  /// Fuses gate and residual into the product's epilogue, or appends them as an operation of their own.
  private mutating func product(
    _ output: Shape, bias: Parameter?, activation: Activation, gate: ModulationRow?,
    residual: Value?, name: String?, _ make: (Epilogue) -> Operation
  ) -> Value {
    precondition(bias.map { $0.shape == [output.channels] } ?? true)
    precondition(gate == nil || residual != nil, "a gate belongs to a residual")
    precondition(residual.map { shape($0) == output } ?? true)
    let fuse = fusion == .full || residual == nil
    let epilogue = Epilogue(
      bias: bias, activation: activation, gate: fuse ? gate : nil, residual: fuse ? residual : nil)
    // Fused, the name's value does not exist; naming the sum would mislead an observer.
    let result = append(make(epilogue), output, name: fuse && residual != nil ? nil : name)
    guard !fuse, let residual else { return result }
    return gatedResidual(result, gate: gate, residual: residual)
  }

  // MARK: Normalization

  public mutating func rmsNorm(
    _ input: Value, weight: Parameter?, weightOffset: Float = 0, bias: Parameter? = nil,
    epsilon: Float, channels: Range<Int>? = nil, residual: Value? = nil, name: String? = nil
  ) -> Value {
    let count = channels?.count ?? shape(input).channels
    precondition(weight.map { $0.shape == [count] } ?? true)
    let fuse = fusion == .full || residual == nil
    let result = append(
      .rmsNorm(
        RMSNorm(
          input: input, weight: weight, weightOffset: weightOffset, bias: bias, epsilon: epsilon,
          channels: channels, residual: fuse ? residual : nil)),
      shape(input), name: fuse && residual != nil ? nil : name)
    guard !fuse, let residual else { return result }
    return gatedResidual(result, gate: nil, residual: residual)
  }

  public mutating func modulatedLayerNorm(
    _ input: Value, shift: ModulationRow, scale: ModulationRow, epsilon: Float, name: String? = nil
  ) -> Value {
    append(
      .modulatedLayerNorm(
        ModulatedLayerNorm(input: input, shift: shift, scale: scale, epsilon: epsilon)),
      shape(input), name: name)
  }

  // MARK: Attention

  public mutating func reluAttention(
    _ queryKeyValue: Value, heads: Int, headDimension: Int, layout: HeadLayout,
    form: ReluAttention.Form, name: String? = nil
  ) -> Value {
    precondition(shape(queryKeyValue).channels == 3 * heads * headDimension)
    return append(
      .reluAttention(
        ReluAttention(
          queryKeyValue: queryKeyValue, heads: heads, headDimension: headDimension, layout: layout,
          form: form)),
      shape(queryKeyValue).with(channels: heads * headDimension), name: name)
  }

  public mutating func crossAttention(
    query: Value, keyValue: Value, tokenCounts: Value, heads: Int, headDimension: Int,
    name: String? = nil
  ) -> Value {
    precondition(shape(query).channels == heads * headDimension)
    precondition(shape(keyValue).channels == 2 * heads * headDimension)
    precondition(shape(keyValue).batch == shape(query).batch)
    return append(
      .crossAttention(
        CrossAttention(
          query: query, keyValue: keyValue, tokenCounts: tokenCounts, heads: heads,
          headDimension: headDimension)),
      shape(query), name: name)
  }

  public mutating func causalAttention(
    _ queryKeyValue: Value, after earlier: CausalAttention.EarlierPositions? = nil, heads: Int,
    keyValueHeads: Int, headDimension: Int, scale: Float, softcap: Float?, window: Int?,
    ropeTheta: Double, name: String? = nil
  ) -> Value {
    precondition(shape(queryKeyValue).channels == (heads + 2 * keyValueHeads) * headDimension)
    precondition(
      earlier.map { $0.keyValue.shape[1] == 2 * keyValueHeads * headDimension } ?? true)
    return append(
      .causalAttention(
        CausalAttention(
          queryKeyValue: queryKeyValue, earlier: earlier, heads: heads,
          keyValueHeads: keyValueHeads, headDimension: headDimension, scale: scale,
          softcap: softcap, window: window, ropeTheta: ropeTheta)),
      shape(queryKeyValue).with(channels: heads * headDimension), name: name)
  }

  // MARK: Embeddings

  public mutating func embeddingLookup(
    _ identifiers: Value, table: Parameter, scale: Float, name: String? = nil
  ) -> Value {
    append(
      .embeddingLookup(EmbeddingLookup(identifiers: identifiers, table: table, scale: scale)),
      shape(identifiers).with(channels: table.shape[1]), name: name)
  }

  public mutating func sinusoidalEmbedding(
    _ input: Value, channels: Int, name: String? = nil
  ) -> Value {
    append(
      .sinusoidalEmbedding(SinusoidalEmbedding(input: input, channels: channels)),
      shape(input).with(channels: channels), name: name)
  }

  public mutating func addTable(_ input: Value, table: Parameter, name: String? = nil) -> Value {
    let channels = shape(input).channels
    let total = table.shape[0] * table.shape[1]
    precondition(channels == total || channels == table.shape[1])
    return append(
      .addTable(AddTable(input: input, table: table)), shape(input).with(channels: total),
      name: name)
  }

  // MARK: Element by element

  public mutating func add(_ first: Value, _ second: Value, name: String? = nil) -> Value {
    append(.add(Add(first: first, second: second)), shape(first), name: name)
  }

  public mutating func gatedResidual(
    _ input: Value, gate: ModulationRow? = nil, residual: Value, name: String? = nil
  ) -> Value {
    precondition(shape(input) == shape(residual))
    return append(
      .gatedResidual(GatedResidual(input: input, gate: gate, residual: residual)), shape(input),
      name: name)
  }

  public mutating func activate(
    _ input: Value, _ activation: Activation, name: String? = nil
  ) -> Value {
    append(.activate(Activate(input: input, activation: activation)), shape(input), name: name)
  }

  public mutating func gatedLinearUnit(
    _ input: Value, activation: Activation, name: String? = nil
  ) -> Value {
    append(
      .gatedLinearUnit(GatedLinearUnit(input: input, activation: activation)),
      shape(input).with(channels: shape(input).channels / 2), name: name)
  }

  // MARK: Moving channels and pixels

  public mutating func concatenateChannels(_ parts: [Value], name: String? = nil) -> Value {
    append(
      .concatenateChannels(ConcatenateChannels(parts: parts)),
      shape(parts[0]).with(channels: parts.map { shape($0).channels }.reduce(0, +)), name: name)
  }

  public mutating func pixelShuffle(_ input: Value, name: String? = nil) -> Value {
    let size = shape(input)
    precondition(size.channels % 4 == 0)
    return append(
      .pixelShuffle(PixelShuffle(input: input)),
      Shape(
        batch: size.batch, height: 2 * size.height, width: 2 * size.width,
        channels: size.channels / 4), name: name)
  }

  public mutating func pixelUnshuffle(_ input: Value, name: String? = nil) -> Value {
    let size = shape(input)
    precondition(size.height % 2 == 0 && size.width % 2 == 0)
    return append(
      .pixelUnshuffle(PixelUnshuffle(input: input)),
      Shape(
        batch: size.batch, height: size.height / 2, width: size.width / 2,
        channels: size.channels * 4), name: name)
  }

  public mutating func duplicateChannels(
    _ input: Value, factor: Int, residual: Value, name: String? = nil
  ) -> Value {
    precondition((shape(residual).channels * factor * factor) % shape(input).channels == 0)
    return append(
      .duplicateChannels(DuplicateChannels(input: input, factor: factor, residual: residual)),
      shape(residual), name: name)
  }

  public mutating func averageChannels(
    _ input: Value, factor: Int, residual: Value, name: String? = nil
  ) -> Value {
    precondition((shape(input).channels * factor * factor) % shape(residual).channels == 0)
    return append(
      .averageChannels(AverageChannels(input: input, factor: factor, residual: residual)),
      shape(residual), name: name)
  }
}
