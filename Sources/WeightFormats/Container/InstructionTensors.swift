/// The tensors in which a text encoder's component keeps what the network makes of the instruction
/// before every prompt. They are computed when a model is quantized, and are no weights: a model
/// without them draws the same pictures, more slowly.
public enum InstructionTensors {
  /// i32 `[tokens]`: the instruction's, from the beginning token on.
  public static let tokens = "instruction.tokens"
  /// `[1, hiddenSize]`: the last hidden state of the beginning token.
  public static let firstHiddenState = "instruction.first_hidden_state"

  /// `[tokens, 2 * keyValueHeads * headDimension]`: keys of a layer before they are rotated, then
  /// values.
  public static func keyValue(layer: Int) -> String { "instruction.layers.\(layer).key_value" }

  /// Whether a tensor of this name, in a component of this kind, is one of these.
  public static func contain(_ name: String, in kind: ComponentKind?) -> Bool {
    kind == .textEncoder && name.hasPrefix("instruction.")
  }
}
