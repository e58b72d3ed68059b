/// One step of a graph. A back end implements every case; the plain loops of `Backends/Reference` say what each
/// case means, and every faster variant is tested against it.
///
/// The payloads live in `Operations+*.swift`, one file a family.
public enum Operation: Sendable {
  // Products with weights
  case linear(Linear)
  case groupedLinear(GroupedLinear)
  case convolution(Convolution)
  case upsampleConvolution(UpsampleConvolution)
  case depthwiseConvolution(DepthwiseConvolution)
  // Normalization
  case rmsNorm(RMSNorm)
  case modulatedLayerNorm(ModulatedLayerNorm)
  // Attention
  case reluAttention(ReluAttention)
  case crossAttention(CrossAttention)
  case causalAttention(CausalAttention)
  // Embeddings
  case embeddingLookup(EmbeddingLookup)
  case sinusoidalEmbedding(SinusoidalEmbedding)
  case addTable(AddTable)
  // Element by element
  case add(Add)
  case gatedResidual(GatedResidual)
  case activate(Activate)
  case gatedLinearUnit(GatedLinearUnit)
  // Moving channels and pixels
  case concatenateChannels(ConcatenateChannels)
  case pixelShuffle(PixelShuffle)
  case pixelUnshuffle(PixelUnshuffle)
  case duplicateChannels(DuplicateChannels)
  case averageChannels(AverageChannels)
}

/// What every operation's payload tells the planner.
public protocol OperationPayload: Sendable {
  /// Activations read, including those of the epilogue.
  var inputs: [Value] { get }
  /// Weights read.
  var parameters: [Parameter] { get }
  /// The input whose memory the output may take over when nobody needs that input afterwards: the operation reads
  /// position p of this input before it writes position p of the output, and no other position later.
  var inPlaceInput: Value? { get }
}

extension OperationPayload {
  public var parameters: [Parameter] { [] }
  public var inPlaceInput: Value? { nil }
}

extension Operation {
  /// The payload behind the case.
  public var payload: any OperationPayload {
    switch self {
    case .linear(let payload): payload
    case .groupedLinear(let payload): payload
    case .convolution(let payload): payload
    case .upsampleConvolution(let payload): payload
    case .depthwiseConvolution(let payload): payload
    case .rmsNorm(let payload): payload
    case .modulatedLayerNorm(let payload): payload
    case .reluAttention(let payload): payload
    case .crossAttention(let payload): payload
    case .causalAttention(let payload): payload
    case .embeddingLookup(let payload): payload
    case .sinusoidalEmbedding(let payload): payload
    case .addTable(let payload): payload
    case .add(let payload): payload
    case .gatedResidual(let payload): payload
    case .activate(let payload): payload
    case .gatedLinearUnit(let payload): payload
    case .concatenateChannels(let payload): payload
    case .pixelShuffle(let payload): payload
    case .pixelUnshuffle(let payload): payload
    case .duplicateChannels(let payload): payload
    case .averageChannels(let payload): payload
    }
  }

  /// The case's name, for reports: `linear`, `reluAttention`.
  public var kind: String {
    switch self {
    case .linear: "linear"
    case .groupedLinear: "groupedLinear"
    case .convolution: "convolution"
    case .upsampleConvolution: "upsampleConvolution"
    case .depthwiseConvolution: "depthwiseConvolution"
    case .rmsNorm: "rmsNorm"
    case .modulatedLayerNorm: "modulatedLayerNorm"
    case .reluAttention: "reluAttention"
    case .crossAttention: "crossAttention"
    case .causalAttention: "causalAttention"
    case .embeddingLookup: "embeddingLookup"
    case .sinusoidalEmbedding: "sinusoidalEmbedding"
    case .addTable: "addTable"
    case .add: "add"
    case .gatedResidual: "gatedResidual"
    case .activate: "activate"
    case .gatedLinearUnit: "gatedLinearUnit"
    case .concatenateChannels: "concatenateChannels"
    case .pixelShuffle: "pixelShuffle"
    case .pixelUnshuffle: "pixelUnshuffle"
    case .duplicateChannels: "duplicateChannels"
    case .averageChannels: "averageChannels"
    }
  }
}
