/// The Linear Diffusion Transformer's configuration (`diffusers.SanaTransformer2DModel`).
public struct TransformerConfiguration: Hashable, Sendable {
  public var inputChannels: Int
  public var outputChannels: Int
  public var layers: Int
  public var heads: Int
  public var headDimension: Int
  public var crossAttentionHeads: Int
  public var crossAttentionHeadDimension: Int
  public var captionChannels: Int
  public var feedForwardRatio: Double
  public var normEpsilon: Double
  /// RMS norms on queries and keys over all heads together (SANA-1.5, Sprint).
  public var normalizesQueriesAndKeys: Bool
  /// Sprint: the guidance scale is an input of the network.
  public var embedsGuidance: Bool
  public var guidanceEmbeddingScale: Double
  /// Side of the training latents, the base of the position embedding.
  public var sampleSize: Int
  /// Set for the 2K and 4K models, which add a sine-cosine position embedding.
  public var positionInterpolationScale: Double?
  /// Factor on the timestep before it enters the network.
  public var timestepScale: Double

  /// Channels of the token stream (D).
  public var width: Int { heads * headDimension }
  /// Channels of the gated feed-forward after gating.
  public var feedForwardWidth: Int { Int(feedForwardRatio * Double(width)) }

  public init(
    inputChannels: Int, outputChannels: Int, layers: Int, heads: Int, headDimension: Int,
    crossAttentionHeads: Int, crossAttentionHeadDimension: Int, captionChannels: Int,
    feedForwardRatio: Double, normEpsilon: Double, normalizesQueriesAndKeys: Bool,
    embedsGuidance: Bool, guidanceEmbeddingScale: Double, sampleSize: Int,
    positionInterpolationScale: Double?, timestepScale: Double
  ) {
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    self.layers = layers
    self.heads = heads
    self.headDimension = headDimension
    self.crossAttentionHeads = crossAttentionHeads
    self.crossAttentionHeadDimension = crossAttentionHeadDimension
    self.captionChannels = captionChannels
    self.feedForwardRatio = feedForwardRatio
    self.normEpsilon = normEpsilon
    self.normalizesQueriesAndKeys = normalizesQueriesAndKeys
    self.embedsGuidance = embedsGuidance
    self.guidanceEmbeddingScale = guidanceEmbeddingScale
    self.sampleSize = sampleSize
    self.positionInterpolationScale = positionInterpolationScale
    self.timestepScale = timestepScale
  }
}
