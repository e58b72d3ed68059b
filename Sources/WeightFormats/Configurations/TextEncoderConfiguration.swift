/// Gemma-2's configuration (`transformers.Gemma2Config`), the parts that shape the computation.
public struct TextEncoderConfiguration: Hashable, Sendable {
  public enum LayerType: String, Hashable, Sendable {
    case sliding = "sliding_attention"
    case full = "full_attention"
  }

  public var vocabularySize: Int
  public var hiddenSize: Int
  public var intermediateSize: Int
  public var heads: Int
  public var keyValueHeads: Int
  public var headDimension: Int
  /// Scores are multiplied by this to the power of -1/2; not always the head dimension.
  public var queryPreAttentionScalar: Double
  public var attentionSoftcap: Double?
  public var slidingWindow: Int
  /// One entry a layer. Old-style configurations do not say: even layers slide, odd ones are full.
  public var layerTypes: [LayerType]
  public var normEpsilon: Double
  public var ropeTheta: Double
  /// The longest sequence that the network was made for.
  public var maximumPositions: Int

  public var layers: Int { layerTypes.count }

  public init(
    vocabularySize: Int, hiddenSize: Int, intermediateSize: Int, heads: Int, keyValueHeads: Int,
    headDimension: Int, queryPreAttentionScalar: Double, attentionSoftcap: Double?,
    slidingWindow: Int, layerTypes: [LayerType], normEpsilon: Double, ropeTheta: Double,
    maximumPositions: Int = TextEncoderConfiguration.standardPositions
  ) {
    self.vocabularySize = vocabularySize
    self.hiddenSize = hiddenSize
    self.intermediateSize = intermediateSize
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    self.headDimension = headDimension
    self.queryPreAttentionScalar = queryPreAttentionScalar
    self.attentionSoftcap = attentionSoftcap
    self.slidingWindow = slidingWindow
    self.layerTypes = layerTypes
    self.normEpsilon = normEpsilon
    self.ropeTheta = ropeTheta
    self.maximumPositions = maximumPositions
  }

  /// Of `transformers.Gemma2Config`.
  public static let standardPositions = 8192
}
