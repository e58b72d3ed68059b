internal import CKernels
internal import SanaGraph
internal import WeightFormats

extension CPUDevice {
  /// The cascades of a graph by the position of their last node.
  func cascades(
    _ graph: Graph, _ uses: GraphUses, _ forms: CPUWeightForms
  ) -> [Int: CPUCascade] {
    guard graph.fusion == .full else { return [:] }
    let finder = CascadeFinder(graph: graph, uses: uses, device: self, forms: forms)
    var cascades: [Int: CPUCascade] = [:]
    var position = 0
    while position < graph.nodes.count {
      guard let cascade = finder.cascade(from: position) else {
        position += 1
        continue
      }
      cascades[cascade.nodes.upperBound] = cascade
      position = cascade.nodes.upperBound + 1
    }
    return cascades
  }

  /// The rows that layers keep, a convolution's results before they are shuffled, then what each
  /// thread needs.
  func scratch(for cascade: CPUCascade, in graph: Graph) -> CPUScratch {
    let workers = cascade.layers.map { layer in
      switch layer.source {
      case .convolution(let convolution), .shuffled(let convolution, _),
        .unshuffled(let convolution, _):
        scratch(for: convolution, graph[convolution.input].shape).workerBytes
      case .upsampling(let convolution, _):
        scratch(for: SANA_CONVOLUTION_UPSAMPLE, convolution.weight).workerBytes
      }
    }
    return CPUScratch(
      sharedBytes: (cascade.lineFloats.reduce(0, +) + cascade.shuffledFloats)
        * MemoryLayout<Float>.size,
      workerBytes: workers.max() ?? 0, workers: pool.size)
  }
}

/// Finds layers that can be computed together.
private struct CascadeFinder {
  let graph: Graph
  let uses: GraphUses
  let device: CPUDevice
  let forms: CPUWeightForms

  /// The least rows of a layer in a band, and the least positions: enough for many threads, and to read a layer's weights for.
  private static let leastRows = 8
  private static let leastPositions = 16384
  /// Floats of that many positions. Fewer positions of wide layers are enough where that lets a
  /// cascade reach a small result.
  private static let leastFloats = leastPositions * 128
  /// What a cascade's largest value takes that is not whole in memory, as a multiple of what its layers keep instead.
  private static let saving = 6
  /// The same of what its layers keep and a result that is small, as a picture is, in halves.
  private static let halvesSaved = 5

  /// The longest cascade that saves memory, otherwise the shortest; nil where none of several nodes begins. Short ones read the weights
  /// for longer bands.
  func cascade(from position: Int) -> CPUCascade? {
    let layers = layers(from: position)
    let lengths = (1..<layers.count + 1).filter { isClosed(layers[..<$0]) }
    let severalNodes = lengths.filter { length in
      layers[..<length].reduce(0) { $0 + $1.nodes.count } > 1
    }
    if let positions = forms.bandPositions {
      return smallestCascade(severalNodes.map { Array(layers[..<$0]) }, positions: positions)
    }
    for length in severalNodes.reversed() {
      if let cascade = sparingCascade(Array(layers[..<length])) { return cascade }
    }
    return severalNodes.first.map {
      cascade(Array(layers[..<$0]), positions: Self.leastPositions)
    }
  }

  /// The longest of some cascades that takes less memory than the largest value which is not whole
  /// then; the shortest where none does.
  /// - Parameter positions: of a layer in a band, at most.
  private func smallestCascade(
    _ candidates: [[CPUCascade.Layer]], positions: Int
  ) -> CPUCascade? {
    func cascade(_ layers: [CPUCascade.Layer]) -> CPUCascade {
      let sizes = layers.map { graph[output($0)].shape }
      let part = sizes.map { Double(max(positions / $0.width, 1)) / Double($0.height) }.min() ?? 1
      return self.cascade(layers, part: part)
    }
    for layers in candidates.reversed() {
      let cascade = cascade(layers)
      let largest = layers.dropLast().map { graph[output($0)].shape.elementCount }.max() ?? 0
      if cascade.keptFloats <= largest { return cascade }
    }
    return candidates.first.map(cascade)
  }

  /// The cascade of these layers, if it saves memory.
  private func sparingCascade(_ layers: [CPUCascade.Layer]) -> CPUCascade? {
    let long = cascade(layers, positions: Self.leastPositions)
    let sizes = layers.map { graph[output($0)].shape }
    let largest = sizes.dropLast().map(\.elementCount).max() ?? 0
    if long.keptFloats <= largest / Self.saving { return long }
    guard !long.isInPlace, let result = sizes.last?.elementCount,
      let widest = sizes.map(\.channels).max()
    else { return nil }
    let short = cascade(
      layers, positions: min(Self.leastPositions, Self.leastFloats / max(widest, 1)))
    return short.keptFloats + result <= largest * 2 / Self.halvesSaved ? short : nil
  }

  /// Layers from a position on, each made of the one before; what finishes them may read any of them, and what the first one reads.
  private func layers(from position: Int) -> [CPUCascade.Layer] {
    guard let first = layer(at: position) else { return [] }
    var layers: [CPUCascade.Layer] = []
    var known: Set<Value> = [first.source.input]
    var next = first
    while true {
      extend(&next, known)
      layers.append(next)
      known.insert(output(next))
      guard let layer = layer(at: next.nodes.upperBound + 1), layer.source.input == output(next)
      else { return layers }
      next = layer
    }
  }

  /// The layer whose first node is at a position, without what finishes it.
  private func layer(at position: Int) -> CPUCascade.Layer? {
    guard graph.nodes.indices.contains(position) else { return nil }
    let operation = graph.nodes[position].operation
    let arithmetic = device.arithmetic(of: operation, forms)
    switch operation {
    case .convolution(let convolution)
    where (convolution.isWinograd || convolution.isHalving) && convolution.epilogue.inputs.isEmpty:
      if convolution.isWinograd, let source = shuffled(convolution, before: position + 1) {
        return CPUCascade.Layer(
          source: source, arithmetic: arithmetic, nodes: position...position + 1)
      }
      return CPUCascade.Layer(
        source: .convolution(convolution), arithmetic: arithmetic, nodes: position...position)
    case .upsampleConvolution(let convolution) where convolution.epilogue.inputs.isEmpty:
      let shortcut =
        arithmetic == .int8 ? fusedShortcut(of: convolution, before: position + 1) : nil
      return CPUCascade.Layer(
        source: .upsampling(convolution, shortcut: shortcut), arithmetic: arithmetic,
        nodes: position...position + (shortcut == nil ? 0 : 1))
    default:
      return nil
    }
  }

  /// A convolution with the shuffle or unshuffle that is at a position, of the value of the node
  /// before, which nobody else reads.
  private func shuffled(
    _ convolution: Convolution, before position: Int
  ) -> CPUCascade.Source? {
    guard continues(position) else { return nil }
    let value = graph.nodes[position - 1].output
    switch graph.nodes[position].operation {
    case .pixelShuffle(let shuffle) where shuffle.input == value:
      return .shuffled(convolution, shuffle)
    case .pixelUnshuffle(let unshuffle) where unshuffle.input == value:
      return .unshuffled(convolution, unshuffle)
    default:
      return nil
    }
  }

  private func fusedShortcut(
    of convolution: UpsampleConvolution, before position: Int
  ) -> DuplicateChannels? {
    guard let shortcut = shortcut(at: position), shortcut.factor == 2,
      shortcut.input == convolution.input,
      device.kernels.has_shortcut(graph[convolution.input].shape.channels, convolution.outputs)
    else { return nil }
    return shortcut
  }

  /// The shortcut at a position, added to the value of the node before, which nobody else reads.
  private func shortcut(at position: Int) -> DuplicateChannels? {
    guard continues(position),
      case .duplicateChannels(let shortcut) = graph.nodes[position].operation,
      shortcut.residual == graph.nodes[position - 1].output
    else { return nil }
    return shortcut
  }

  /// Adds the nodes that follow a layer and can be done in the place of its rows.
  private func extend(_ layer: inout CPUCascade.Layer, _ known: Set<Value>) {
    while let finish = finish(at: layer.nodes.upperBound + 1),
      finish.other.map({ known.contains($0.value) }) ?? true
    {
      layer.finishes.append(finish)
      layer.nodes = layer.nodes.lowerBound...layer.nodes.upperBound + 1
    }
  }

  private func finish(at position: Int) -> CPUCascade.Finish? {
    guard continues(position) else { return nil }
    let value = graph.nodes[position - 1].output
    switch graph.nodes[position].operation {
    case .rmsNorm(let norm) where norm.input == value && norm.channels == nil:
      return .norm(norm)
    case .activate(let activation) where activation.input == value:
      return .activation(activation)
    case .duplicateChannels:
      return shortcut(at: position).map { .shortcut($0) }
    case .averageChannels(let shortcut) where shortcut.residual == value:
      return .averagingShortcut(shortcut)
    default:
      return nil
    }
  }

  /// Whether the node at a position is the only reader of the one before it.
  private func continues(_ position: Int) -> Bool {
    guard graph.nodes.indices.contains(position), position > 0 else { return false }
    return uses.hasSoleReader(graph.nodes[position - 1].output)
  }

  private func output(_ layer: CPUCascade.Layer) -> Value {
    graph.nodes[layer.nodes.upperBound].output
  }

  /// Whether nobody outside reads what the layers before the last one make.
  private func isClosed(_ layers: ArraySlice<CPUCascade.Layer>) -> Bool {
    var inside = [Value: Int]()
    for value in layers.flatMap(\.inputs).map(\.value) { inside[value, default: 0] += 1 }
    return layers.dropLast().map(output).allSatisfy { inside[$0] == uses.readerCount(of: $0) }
  }

  /// - Parameter positions: the least of a layer in a band.
  private func cascade(_ layers: [CPUCascade.Layer], positions: Int) -> CPUCascade {
    // Of all layers the band holds the same part of the image, as large a part as the one with the
    // fewest positions asks for.
    let part = layers.map { layer in
      let size = graph[output(layer)].shape
      return Double(max(Self.leastRows, positions / max(size.width, 1)))
        / Double(max(size.height, 1))
    }.max()
    return cascade(layers, part: part ?? 1)
  }

  /// - Parameter part: of the image in a band.
  private func cascade(_ layers: [CPUCascade.Layer], part: Double) -> CPUCascade {
    let outputs = layers.map(output)
    let sizes = outputs.map { graph[$0].shape }
    let input = layers[0].source.input
    let isOfOneSize = sizes.allSatisfy { $0.height == graph[input].shape.height }
    let last = layers[layers.count - 1]
    let handsOverRows = graph.handsOverRows && graph.outputs == [output(last)]
    let bands = CascadeBands(
      layers.indices.map { index in
        CascadeBands.Layer(
          height: sizes[index].height, tileRows: tileRows(layers[index]),
          sources: layers[index].inputs.compactMap { input in
            outputs.firstIndex(of: input.value).map { ($0, input.reach) }
          })
      }, rows: max(Int(min(part, 1) * Double(sizes[layers.count - 1].height)), 1))
    let lineFloats = layers.indices.map { index in
      let isDirect =
        index == layers.count - 1 && layers[index].finishes.isEmpty && !handsOverRows
      return isDirect ? 0 : bands.capacities[index] * sizes[index].width * sizes[index].channels
    }
    let shuffledFloats = layers.indices.map { index in
      switch layers[index].source {
      case .shuffled(_, let shuffle):
        let size = graph[shuffle.input].shape
        return (bands.lengths[index] + 1) / 2 * size.width * size.channels
      case .unshuffled(_, let unshuffle):
        let size = graph[unshuffle.input].shape
        return 2 * bands.lengths[index] * size.width * size.channels
      case .convolution, .upsampling:
        return 0
      }
    }
    return CPUCascade(
      input: input, layers: layers, nodes: layers[0].nodes.lowerBound...last.nodes.upperBound,
      bands: bands, lineFloats: lineFloats, shuffledFloats: shuffledFloats.max() ?? 0,
      // The first layer is a row ahead of the last: when that writes a row, no row that is still to
      // come reads the input there.
      isInPlace: layers.count > 1 && isOfOneSize && !handsOverRows,
      handsOverRows: handsOverRows)
  }

  /// Rows of the output that a tile makes: a band of it has whole tiles.
  private func tileRows(_ layer: CPUCascade.Layer) -> Int {
    // Winograd's in floating point has two rows, and so has what upsampling makes of one.
    func side(_ form: sana_convolution_form, _ weight: Parameter) -> Int {
      layer.arithmetic == .int8
        ? device.kernels.convolution(form, weight.shape[3]).pointee.side : 2
    }
    return switch layer.source {
    case .convolution(let convolution) where convolution.isHalving: 1
    case .convolution(let convolution): side(SANA_CONVOLUTION_WINOGRAD, convolution.weight)
    case .shuffled(let convolution, _): 2 * side(SANA_CONVOLUTION_WINOGRAD, convolution.weight)
    case .unshuffled(let convolution, _): side(SANA_CONVOLUTION_WINOGRAD, convolution.weight) / 2
    case .upsampling(let convolution, _): side(SANA_CONVOLUTION_UPSAMPLE, convolution.weight)
    }
  }
}

extension Convolution {
  /// Whether it makes one row of two, as DC-AE's encoder does.
  fileprivate var isHalving: Bool { kernel == 3 && stride == 2 && padding == 1 }
}

extension CPUCascade {
  /// Floats of all that its layers keep.
  fileprivate var keptFloats: Int { lineFloats.reduce(shuffledFloats, +) }
}
