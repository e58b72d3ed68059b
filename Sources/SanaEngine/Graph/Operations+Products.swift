/// `output[row, o] = epilogue(sum_i input[row, i] * weight[o, i])`; `torch.nn.Linear`, and every 1x1 convolution.
public struct Linear: OperationPayload {
  public let input: Value
  /// `[outputs, inputs]`
  public let weight: Parameter
  public let epilogue: Epilogue

  public var inputs: [Value] { [input] + epilogue.inputs }
  public var parameters: [Parameter] { [weight, epilogue.bias].compactMap { $0 } }
}

/// A 1x1 convolution with groups: output channel `o` sees only the input channels of its group. Groups are equal,
/// consecutive cuts of both the inputs and the outputs. No bias: DC-AE has none here.
public struct GroupedLinear: OperationPayload {
  public let input: Value
  /// `[outputs, inputs / groups]`
  public let weight: Parameter
  public let groups: Int

  public var inputs: [Value] { [input] }
  public var parameters: [Parameter] { [weight] }
}

/// A square convolution, zero padded, stride 1 or 2. Output size: `(size + 2 * padding - kernel) / stride + 1`.
public struct Convolution: OperationPayload {
  public let input: Value
  /// `[outputs, kernel, kernel, inputs]`
  public let weight: Parameter
  public let stride: Int
  public let padding: Int
  public let epilogue: Epilogue

  public var kernel: Int { weight.shape[1] }
  public var inputs: [Value] { [input] + epilogue.inputs }
  public var parameters: [Parameter] { [weight, epilogue.bias].compactMap { $0 } }
}

/// Nearest-neighbour upsampling by two followed by a 3x3 convolution with padding 1, computed as four 2x2 convolutions of the
/// small image, one for each parity of the output row and column: 4/9 of the multiplications.
///
/// Output pixel `(2y + py, 2x + px)` sums `weight[phase = 2 py + px][o][ky][kx][i] * input[y + ky + py - 1, x + kx + px - 1, i]`
/// over `ky, kx` in 0...1, zero outside the image.
public struct UpsampleConvolution: OperationPayload {
  public let input: Value
  /// `[4 * outputs, 2, 2, inputs]`, phase outermost
  public let weight: Parameter
  public let epilogue: Epilogue

  public var outputs: Int { weight.shape[0] / 4 }
  public var inputs: [Value] { [input] + epilogue.inputs }
  public var parameters: [Parameter] { [weight, epilogue.bias].compactMap { $0 } }
}

/// A convolution of every channel by itself, stride 1, zero padded so that the size stays.
public struct DepthwiseConvolution: OperationPayload {
  public let input: Value
  /// `[kernel, kernel, channels]`
  public let weight: Parameter
  public let bias: Parameter?
  /// With a gated linear unit the result has half the channels: `first half * silu(second half)` (Sana's GLUMBConv).
  public let gatedLinearUnit: Bool

  public var kernel: Int { weight.shape[0] }
  public var inputs: [Value] { [input] }
  public var parameters: [Parameter] { [weight, bias].compactMap { $0 } }
}
