extension Operation {
  /// Whether the operation multiplies int8 by int8 where its weight is made for
  /// `ActivationEncoding.int8PerToken`. Every other operation multiplies such a weight in floating
  /// point.
  ///
  /// A `linear` quantizes its rows. A convolution quantizes what it multiplies: patches and kernels
  /// after a `PatchTransform`.
  package var takesInt8Activations: Bool {
    switch self {
    case .linear: true
    case .convolution(let convolution): convolution.isWinograd
    case .upsampleConvolution: true
    default: false
    }
  }
}

extension Convolution {
  /// Whether Winograd's algorithms can compute it: F(2x2, 3x3), and F(4x4, 3x3) on some processors.
  package var isWinograd: Bool { kernel == 3 && stride == 1 && padding == 1 }
}
