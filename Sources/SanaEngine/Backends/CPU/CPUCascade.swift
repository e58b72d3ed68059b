internal import CKernels
internal import SanaGraph

/// Layers of DC-AE from convolution to convolution, computed together over bands of image rows, in any precision.
///
/// Only the rows of a band, and those around it that are still to be read, exist of what the layers
/// pass to each other. The layers may differ in resolution: of large pictures the whole end of the
/// decoder is one cascade, and so is the beginning of the encoder, and none of its activations is
/// ever whole in memory.
struct CPUCascade {
  /// What makes the rows of a layer.
  enum Source {
    /// 3x3, of as many rows or of half as many.
    case convolution(Convolution)
    /// 3x3 to the channels of four pixels, which then become pixels.
    case shuffled(Convolution, PixelShuffle)
    /// 3x3, of which four pixels then become the channels of one.
    case unshuffled(Convolution, PixelUnshuffle)
    /// With its shortcut where that is added while the convolution's results are in registers.
    case upsampling(UpsampleConvolution, shortcut: DuplicateChannels?)
  }

  /// What is done with rows once they are made, in their place.
  enum Finish {
    case norm(RMSNorm)
    case activation(Activate)
    case shortcut(DuplicateChannels)
    case averagingShortcut(AverageChannels)
  }

  struct Layer {
    let source: Source
    var finishes: [Finish] = []
    let arithmetic: Arithmetic
    /// Positions of the nodes in the graph; the last one's value is the layer's.
    var nodes: ClosedRange<Int>
  }

  let input: Value
  let layers: [Layer]
  /// Positions of the nodes in the graph.
  let nodes: ClosedRange<Int>
  let bands: CascadeBands
  /// Floats of the rows that each layer keeps; none of a last one whose rows are made where the result is.
  let lineFloats: [Int]
  /// Floats of the most results that a convolution has before they are shuffled or unshuffled.
  let shuffledFloats: Int
  /// Whether the last value may take the place of the input.
  let isInPlace: Bool
  /// Whether the rows of the last value are handed over as they are made, and it is never whole.
  let handsOverRows: Bool
}

extension CPUCascade.Source {
  var input: Value {
    switch self {
    case .convolution(let convolution), .shuffled(let convolution, _),
      .unshuffled(let convolution, _):
      convolution.input
    case .upsampling(let convolution, _): convolution.input
    }
  }

  /// The rows of the input that rows of the output read.
  var reach: CascadeBands.Reach {
    switch self {
    // Of two rows the first one reads beyond.
    case .convolution(let convolution) where convolution.stride == 2:
      CascadeBands.Reach(stride: 2, above: 1)
    case .convolution: CascadeBands.Reach(above: 1, below: 1)
    case .shuffled, .upsampling: CascadeBands.Reach(factor: 2, above: 1, below: 1)
    case .unshuffled: CascadeBands.Reach(stride: 2, above: 1, below: 1)
    }
  }
}

extension CPUCascade.Finish {
  /// What is read beside the rows themselves.
  var other: (value: Value, reach: CascadeBands.Reach)? {
    switch self {
    case .norm(let norm): norm.residual.map { ($0, .same) }
    case .activation: nil
    case .shortcut(let shortcut):
      (shortcut.input, CascadeBands.Reach(factor: shortcut.factor))
    case .averagingShortcut(let shortcut):
      (shortcut.input, CascadeBands.Reach(stride: shortcut.factor))
    }
  }
}

extension CPUCascade.Layer {
  /// All that is read of other layers and of the cascade's input, once for each node that reads it.
  var inputs: [(value: Value, reach: CascadeBands.Reach)] {
    var inputs = [(value: source.input, reach: source.reach)]
    if case .upsampling(_, let shortcut?) = source {
      inputs.append((shortcut.input, CascadeBands.Reach(factor: shortcut.factor)))
    }
    return inputs + finishes.compactMap(\.other)
  }
}
