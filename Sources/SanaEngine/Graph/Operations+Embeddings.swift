/// `output[token] = table[id] * scale`, the row looked up in the stored table; ids are clamped to its rows.
public struct EmbeddingLookup: OperationPayload {
  /// i32 `[batch, tokens, 1]`
  public let identifiers: Value
  /// `[vocabulary, channels]`, read by rows: a prompt's tokens need few of Gemma's 256 000.
  public let table: Parameter
  public let scale: Float

  init(identifiers: Value, table: Parameter, scale: Float) {
    self.identifiers = identifiers
    self.table = Parameter(table.name, table.shape, access: .rows)
    self.scale = scale
  }

  /// The row of the table that each of the ids stands for.
  package func rows(of identifiers: [Int32]) -> [Int] {
    // Ids come from the tokenizer of the same model; one outside the table reads its nearest row.
    identifiers.map { min(max(Int($0), 0), table.shape[0] - 1) }
  }

  public var inputs: [Value] { [identifiers] }
  public var parameters: [Parameter] { [table] }
}

/// The sinusoid of diffusers' `Timesteps(256, flip_sin_to_cos=True, downscale_freq_shift=0)`: for input t, `cos(t f_k)` for all k,
/// then `sin(t f_k)`, with `f_k = exp(-ln(10000) k / (channels / 2))`. Exponent, `f_k` and `t f_k` are f32 numbers, as in PyTorch: near
/// t = 1000 their rounding is larger than that of everything else.
public struct SinusoidalEmbedding: OperationPayload {
  /// `[batch, 1, 1]`
  public let input: Value
  public let channels: Int

  public var inputs: [Value] { [input] }
}

/// `output[b, r * channels + c] = table[r, c] + input[b, r * channels + c]`: AdaLN-single's `scale_shift_table`. An input of
/// only `channels` channels is added to every row of the table (the final layer adds the embedded timestep to both of its rows).
public struct AddTable: OperationPayload {
  /// `[batch, 1, rows * channels]` or `[batch, 1, channels]`
  public let input: Value
  /// `[rows, channels]`
  public let table: Parameter

  public var inputs: [Value] { [input] }
  public var parameters: [Parameter] { [table] }
}
