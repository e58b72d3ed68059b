/// How the channels of a fused `[q | k | v]` value are cut into heads.
public enum HeadLayout: Hashable, Sendable {
  /// All queries, then all keys, then all values: head `h` has its query at `h * d`, its key at `C + h * d`, its value at
  /// `2 C + h * d`, with `C = heads * d`.
  case blocks
  /// Consecutive triples: head `h` has query, key and value at `3 h d`, `(3 h + 1) d`, `(3 h + 2) d` (DC-AE's
  /// `SanaMultiscaleLinearAttention`, where to_q/to_k/to_v are only storage names).
  case triples
}

/// Attention with ReLU in place of softmax, over all positions of a batch element, no scaling of the scores:
/// `output = relu(q) (relu(k)^T v) / (relu(q) (relu(k)^T 1) + 1e-15)`.
///
/// `linear` sums `relu(k)^T v` first (Sana's LDT, and DC-AE on images of more than `headDimension` positions); `quadratic` forms
/// the scores `relu(k) relu(q)^T`, normalizes them by their sum over the keys `+ 1e-15`, and multiplies with v (DC-AE's innermost
/// stage on small images). Both are computed in f32.
public struct ReluAttention: OperationPayload {
  public enum Form: Hashable, Sendable {
    case linear
    case quadratic
  }

  /// `[batch, positions, 3 * heads * headDimension]`
  public let queryKeyValue: Value
  public let heads: Int
  public let headDimension: Int
  public let layout: HeadLayout
  public let form: Form

  public var inputs: [Value] { [queryKeyValue] }
}

/// Softmax attention of image positions over caption tokens, scale `headDimension^-0.5`.
///
/// Only the first `tokenCounts[b]` tokens of batch element b take part: masked tokens get exactly zero weight in PyTorch too
/// (their score is lowered by 10000). A count is clamped to the tokens there are; a count of 0 gives zeros.
public struct CrossAttention: OperationPayload {
  /// `[batch, positions, heads * headDimension]`
  public let query: Value
  /// `[batch, tokens, 2 * heads * headDimension]`: keys, then values
  public let keyValue: Value
  /// i32 `[batch, 1, 1]`
  public let tokenCounts: Value
  public let heads: Int
  public let headDimension: Int

  public var inputs: [Value] { [query, keyValue, tokenCounts] }
}

/// Gemma-2's self-attention: rotary position embedding (half-split rotation) on q and k, grouped keys and values, scores scaled
/// and soft-capped with `softcap * tanh(score / softcap)`, then masked causally; softmax in f32.
///
/// The angle of pair i at position p is the f32 product of p and the f32 number `1 / theta^(2 i / headDimension)`, as in PyTorch:
/// hundreds of tokens on, the rounding of the angle is larger than that of everything else.
///
/// Position i sees positions j with `i - window < j <= i`. Sequences shorter than the longest of the batch are padded on the right;
/// padded positions never influence real ones. With `earlier`, the first token's position is their number.
public struct CausalAttention: OperationPayload {
  /// Positions before the first token that were computed at another time. They are the same for the whole batch.
  public struct EarlierPositions: Hashable, Sendable {
    /// `[positions, 2 * keyValueHeads * headDimension]`: keys, not yet rotated, then values. Read by rows.
    public let keyValue: Parameter
    /// How many of them come before the first token: as many rows of `keyValue` are read.
    public let count: Int

    /// - Parameter count: 1 to the rows of `keyValue`.
    public init(keyValue: Parameter, count: Int) {
      precondition(1...keyValue.shape[0] ~= count)
      self.keyValue = Parameter(keyValue.name, keyValue.shape, access: .rows)
      self.count = count
    }
  }

  /// `[batch, tokens, (heads + 2 * keyValueHeads) * headDimension]`
  public let queryKeyValue: Value
  public let earlier: EarlierPositions?
  public let heads: Int
  public let keyValueHeads: Int
  public let headDimension: Int
  public let scale: Float
  public let softcap: Float?
  public let window: Int?
  public let ropeTheta: Double

  /// The position of the first token.
  public var firstPosition: Int { earlier?.count ?? 0 }
  public var inputs: [Value] { [queryKeyValue] }
  public var parameters: [Parameter] { earlier.map { [$0.keyValue] } ?? [] }
}
