/// DC-AE's configuration (`diffusers.AutoencoderDC`).
public struct AutoencoderConfiguration: Hashable, Sendable {
  public enum BlockType: String, Hashable, Sendable {
    case residual = "ResBlock"
    case efficientViT = "EfficientViTBlock"
  }

  /// One resolution. Stage 0 is the outermost (full size), as in the tensor names `up_blocks.0` and `down_blocks.0`.
  public struct Stage: Hashable, Sendable {
    public var block: BlockType
    public var channels: Int
    /// Number of blocks; the sampling block that stands beside them is extra.
    public var layers: Int
    /// Kernel sizes of the multi-scale attention's depthwise convolutions, usually `[5]`; empty for residual stages.
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

  public var imageChannels: Int
  public var latentChannels: Int
  public var attentionHeadDimension: Int
  public var encoder: [Stage]
  public var decoder: [Stage]
  public var downsampling: Downsampling
  public var upsampling: Upsampling
  public var encoderOutputShortcut: Bool
  public var decoderInputShortcut: Bool
  /// Latents are divided by this before decoding, multiplied after encoding.
  public var scalingFactor: Double

  /// Pixels a side for one latent: 32 for `f32c32`.
  public var compression: Int { 1 << (decoder.count - 1) }

  public init(
    imageChannels: Int, latentChannels: Int, attentionHeadDimension: Int, encoder: [Stage],
    decoder: [Stage], downsampling: Downsampling, upsampling: Upsampling,
    encoderOutputShortcut: Bool, decoderInputShortcut: Bool, scalingFactor: Double
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
    self.scalingFactor = scalingFactor
  }
}
