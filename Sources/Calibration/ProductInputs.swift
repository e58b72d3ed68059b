internal import SanaGraph
internal import Support
internal import Traces
internal import WeightFormats

/// Gathers the inputs of products while graphs run, and hands the rows that are kept to a file as
/// they come.
///
/// An input that several products multiply is gathered once. The order of use: `expect` of every
/// graph that will run, with how often; the runs, with `observe` called for every node;
/// `finish`.
final class ProductInputs {
  /// The weights of products of one input.
  private struct Input {
    let component: ComponentKind
    let weights: [String]
    let columns: Int
    let keepsRows: Bool
    /// Rows that will come.
    var expectedRows = 0
    var gathered: GatheredInput?
  }

  private struct Key: Hashable {
    let component: ComponentKind
    let weight: String
  }

  /// Of the component that runs; rows before it in each graph are not counted.
  private var skippedRows = 0
  private let writer: TraceWriter
  private let rowCount: Int
  private var inputs: [Input] = []
  /// By each of their weights.
  private var indices: [Key: Int] = [:]

  init(to writer: TraceWriter, rowCount: Int) {
    self.writer = writer
    self.rowCount = rowCount
  }

  /// Says that a graph will run.
  /// - Parameters:
  ///   - times: how often.
  ///   - skippedRows: of each input, those that will not be counted.
  func expect(
    _ graph: Graph, of component: ComponentKind, times: Int = 1, skippingRows skippedRows: Int = 0
  ) {
    var products: [Value: [Product]] = [:]
    var order: [Value] = []
    for node in graph.nodes {
      guard let product = Product(node.operation) else { continue }
      if products[product.input] == nil { order.append(product.input) }
      products[product.input, default: []].append(product)
    }
    for value in order {
      let readers = products[value] ?? []
      guard let index = index(of: readers, component, columns: graph[value].shape.channels) else {
        continue
      }
      inputs[index].expectedRows += times * max(graph[value].shape.rows - skippedRows, 0)
    }
  }

  private func index(
    of readers: [Product], _ component: ComponentKind, columns: Int
  ) -> Int? {
    guard let first = readers.first else { return nil }
    if let index = indices[Key(component: component, weight: first.weight)] { return index }
    inputs.append(
      Input(
        component: component, weights: readers.map(\.weight), columns: columns,
        keepsRows: readers.contains(where: \.isMatrix)))
    for reader in readers {
      indices[Key(component: component, weight: reader.weight)] = inputs.count - 1
    }
    return inputs.count - 1
  }

  /// Leaves out rows at the beginning of every graph that runs until this is called again.
  func skipRows(_ count: Int) { skippedRows = count }

  /// Gathers the input of a node, where it is a product.
  /// - Throws: what writing to the file throws.
  func observe(
    _ node: Node, _ graph: Graph, of component: ComponentKind, _ read: (Value) -> HostTensor
  ) throws {
    guard let product = Product(node.operation),
      let index = indices[Key(component: component, weight: product.weight)],
      inputs[index].weights.first == product.weight
    else { return }
    let input = inputs[index]
    let gathered: GatheredInput
    if let known = input.gathered {
      gathered = known
    } else {
      gathered = try GatheredInput(
        to: writer, "products/\(index)", columns: input.columns,
        RowSelection(
          total: input.expectedRows, wanted: input.keepsRows ? rowCount : 0))
      inputs[index].gathered = gathered
    }
    let tensor = read(product.input)
    try tensor.values.withUnsafeBufferPointer { values in
      let skipped = min(skippedRows, tensor.shape.rows) * input.columns
      try gathered.add(UnsafeBufferPointer(rebasing: values[skipped...]))
    }
  }

  /// Writes what the rows have in common.
  /// - Returns: what was gathered, for the file's header.
  /// - Throws: `.numericalFailure` for an input that holds NaN or infinity, and what writing
  ///   throws.
  func finish() throws -> [CalibrationHeader.Input] {
    try inputs.enumerated().compactMap { index, input in
      guard let gathered = input.gathered, gathered.seenRows > 0 else { return nil }
      guard let digest = try gathered.finish() else {
        throw SanaError(
          .numericalFailure,
          "what the \(input.component.rawValue)'s '\(input.weights[0].abbreviated)' multiplies holds NaN or infinity",
          remedy: "try --precision f32, or convert the model again from the official checkpoint")
      }
      return CalibrationHeader.Input(
        place: index, component: input.component, weights: input.weights,
        columns: input.columns, rows: gathered.keptRows, seenRows: gathered.seenRows,
        digest: digest)
    }
  }
}

/// What is gathered of a product.
private struct Product {
  let input: Value
  let weight: String
  /// Whether rows of the input are multiplied by rows of the weight: rows of convolutions are
  /// patches, of which the maxima of channels are all that is kept.
  let isMatrix: Bool

  init?(_ operation: Operation) {
    switch operation {
    case .linear(let linear):
      (input, weight, isMatrix) = (linear.input, linear.weight.name, true)
    case .groupedLinear(let linear):
      (input, weight, isMatrix) = (linear.input, linear.weight.name, false)
    case .convolution(let convolution):
      (input, weight, isMatrix) = (convolution.input, convolution.weight.name, false)
    case .upsampleConvolution(let convolution):
      (input, weight, isMatrix) = (convolution.input, convolution.weight.name, false)
    default: return nil
    }
  }
}
