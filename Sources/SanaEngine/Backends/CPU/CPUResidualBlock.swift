internal import CKernels

/// DC-AE's residual block computed as one: a 3x3 convolution, another one, norm, residual.
///
/// Both convolutions run over bands of image rows, so that only a band of the hidden activations and of the sums exists at a time,
/// and the result takes the place of the input: a row of it is written when no row that is still to come reads the input there.
struct CPUResidualBlock {
  let first: Convolution
  let second: Convolution
  let norm: RMSNorm
  /// Positions of the nodes in the graph.
  let nodes: ClosedRange<Int>

  /// What the block reads, and whose memory its value takes over.
  var input: Value { first.input }
}

/// How a residual block is cut into bands of image rows.
struct ResidualBands {
  let height: Int
  /// Rows of a band, whole tiles.
  let length: Int

  /// Rows of the largest tiles of Winograd's algorithms; others have half as many.
  private static let tileRows = 4

  /// Positions of a band: enough for many threads, few enough for bands to be small beside the image.
  private static let positions = 16384

  init(height: Int, width: Int) {
    self.height = height
    length = max(8, Self.positions / max(width, 1) / Self.tileRows * Self.tileRows)
  }

  /// Rows of hidden activations that exist at a time: those of a band, one above that the rows before have made, and a tile below.
  var hiddenRows: Int { min(length + 1 + Self.tileRows, height) }
  /// Rows of sums.
  var sumRows: Int { min(length, height) }

  /// The rows of every band, from top to bottom.
  var all: [Range<Int>] {
    stride(from: 0, to: height, by: length).map { $0..<min($0 + length, height) }
  }

  /// The rows of hidden activations that exist when the rows of a band are computed: those that they read, up to a whole tile.
  func hidden(_ band: Range<Int>) -> Range<Int> {
    max(band.lowerBound - 1, 0)..<min(band.upperBound + Self.tileRows, height)
  }
}

extension CPUDevice {
  /// The residual block whose last node is at this position.
  /// - Parameter readers: how many nodes read each value.
  func residualBlock(_ graph: Graph, endingAt position: Int, _ readers: [Int]) -> CPUResidualBlock?
  {
    guard graph.fusion == .full, position >= 2,
      case .rmsNorm(let norm) = graph.nodes[position].operation,
      case .convolution(let second) = graph.nodes[position - 1].operation,
      case .convolution(let first) = graph.nodes[position - 2].operation,
      norm.input == graph.nodes[position - 1].output, readers[norm.input.index] == 1,
      second.input == graph.nodes[position - 2].output, readers[second.input.index] == 1,
      norm.residual == first.input, norm.channels == nil,
      [first, second].allSatisfy({ $0.isWinograd && $0.epilogue.inputs.isEmpty })
    else { return nil }
    return CPUResidualBlock(
      first: first, second: second, norm: norm, nodes: position - 2...position)
  }

  /// The hidden activations of a band, its sums, then what convolutions need.
  func scratch(for block: CPUResidualBlock, in graph: Graph) -> CPUScratch {
    let size = graph[block.input].shape
    let bands = ResidualBands(height: size.height, width: size.width)
    let workers = [block.first, block.second].map {
      scratch(for: SANA_CONVOLUTION_WINOGRAD, $0.weight).workerBytes
    }
    let floats =
      size.width
      * (bands.hiddenRows * graph[block.second.input].shape.channels
        + bands.sumRows * size.channels)
    return CPUScratch(
      sharedBytes: floats * MemoryLayout<Float>.size, workerBytes: workers.max() ?? 0,
      workers: pool.size)
  }
}
