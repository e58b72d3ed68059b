/// The configuration of DC-AE and DC-AE-Lite (`diffusers.AutoencoderDC`).
public struct AutoencoderConfiguration: Hashable, Sendable {
  public enum BlockType: String, Hashable, Sendable {
    case residual = "ResBlock"
    case efficientViT = "EfficientViTBlock"
  }

  /// One resolution. Stage 0 is the outermost (full size), as in the tensor names `up_blocks.0` and
  /// `down_blocks.0`.
  public struct Stage: Hashable, Sendable {
    public var block: BlockType
    public var channels: Int
    /// Number of blocks; the sampling block that stands beside them is extra. An outermost stage of
    /// none is left out: the convolution beside the picture changes the resolution in its place.
    public var layers: Int
    /// Kernel sizes of the multi-scale attention's depthwise convolutions, usually `[5]`; empty for
    /// residual stages.
    public var multiscaleKernels: [Int]

    public init(block: BlockType, channels: Int, layers: Int, multiscaleKernels: [Int]) {
      self.block = block
      self.channels = channels
      self.layers = layers
      self.multiscaleKernels = multiscaleKernels
    }
  }

  public enum Downsampling: Hashable, Sendable {
    /// A strided 3x3 convolution: what every name but `pixel_unshuffle` means.
    case convolution
    case pixelUnshuffle
  }

  public enum Upsampling: Hashable, Sendable {
    /// Nearest-neighbour interpolation, then a 3x3 convolution.
    case interpolate
    case pixelShuffle
  }

  /// What follows the decoder's last norm.
  public enum OutputActivation: Hashable, Sendable {
    case relu
    case silu
  }

  public var imageChannels: Int
  public var latentChannels: Int
  public var attentionHeadDimension: Int
  public var encoder: [Stage]
  public var decoder: [Stage]
  public var downsampling: Downsampling
  public var upsampling: Upsampling
  public var encoderOutputShortcut: Bool
  public var decoderInputShortcut: Bool
  public var outputActivation: OutputActivation
  /// Latents are divided by this before decoding, multiplied after encoding.
  public var scalingFactor: Double

  /// Pixels a side for one latent: 32 for `f32c32`.
  public var compression: Int { 1 << (decoder.count - 1) }

  /// The outermost of the encoder's stages that there is: 1 where stage 0 has no blocks.
  public var outermostEncoderStage: Int { Self.outermost(encoder) }
  /// The outermost of the decoder's stages that there is: 1 where stage 0 has no blocks, as in
  /// DC-AE-Lite.
  public var outermostDecoderStage: Int { Self.outermost(decoder) }

  private static func outermost(_ stages: [Stage]) -> Int {
    stages.count > 1 && stages[0].layers == 0 ? 1 : 0
  }

  public init(
    imageChannels: Int, latentChannels: Int, attentionHeadDimension: Int, encoder: [Stage],
    decoder: [Stage], downsampling: Downsampling, upsampling: Upsampling,
    encoderOutputShortcut: Bool, decoderInputShortcut: Bool,
    outputActivation: OutputActivation = .relu, scalingFactor: Double
  ) {
    self.imageChannels = imageChannels
    self.latentChannels = latentChannels
    self.attentionHeadDimension = attentionHeadDimension
    self.encoder = encoder
    self.decoder = decoder
    self.downsampling = downsampling
    self.upsampling = upsampling
    self.encoderOutputShortcut = encoderOutputShortcut
    self.decoderInputShortcut = decoderInputShortcut
    self.outputActivation = outputActivation
    self.scalingFactor = scalingFactor
  }
}
