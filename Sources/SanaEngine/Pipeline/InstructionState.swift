internal import SanaGraph
internal import SanaModels
internal import Support
internal import WeightFormats

/// What the text encoder makes of the instruction, where `sana-quant` left it in the model file.
///
/// Gemma's attention is causal: keys and values of a position depend on the tokens up to it only. Those of the instruction, which
/// comes first, are the same for every prompt, and the prompt's own tokens are all that is left to compute. The caption has one row
/// of the instruction, that of the beginning token.
struct InstructionState {
  /// From the beginning token on.
  let tokens: [Int32]
  /// The last hidden state of the beginning token.
  let firstHiddenState: [Float]

  /// - Returns: `nil` where the source holds none.
  /// - Throws: `.tensorMismatch` for one that is not of this network, and what the source throws.
  init?(_ source: any WeightSource, for configuration: TextEncoderConfiguration) throws {
    guard let description = source.description(of: InstructionTensors.tokens) else { return nil }
    guard description.encoding == .plain(.i32), description.shape.count == 1,
      1...Self.greatestCount ~= description.elementCount
    else {
      throw Self.mismatch("'\(description.name.abbreviated)' is not a list of tokens")
    }
    tokens = try source.load(description).elements(as: Int32.self)
    let name = InstructionTensors.firstHiddenState
    guard let row = source.description(of: name), row.encoding == .f32,
      row.shape == [1, configuration.hiddenSize]
    else {
      throw Self.mismatch(
        "'\(name.abbreviated)' is missing, or not \(configuration.hiddenSize) f32 numbers")
    }
    firstHiddenState = try source.load(row).elements(as: Float.self)
    guard firstHiddenState.allSatisfy(\.isFinite) else {
      throw Self.mismatch("'\(name)' holds NaN or infinity")
    }
  }

  /// Far more than any instruction has, and few enough to read before anything is known about the file.
  private static let greatestCount = 1 << 16

  private static func mismatch(_ message: String) -> SanaError {
    SanaError(
      .tensorMismatch, "the text encoder's instruction is incomplete: \(message)",
      remedy: "quantize the model again")
  }

  /// How many positions at the beginning of a prompt need not be computed: its tokens are those of the instruction there, and the
  /// caption does not want their rows, but for the first.
  func positions(sharedWith prompt: PreparedPrompt) -> Int {
    let firstWanted = prompt.captionRows.dropFirst().first ?? prompt.tokens.count
    let same = zip(tokens, prompt.tokens).prefix { $0 == $1 }.count
    return min(same, firstWanted)
  }

  /// The positions of a prompt that are left to compute; empty where the first row is all that the caption wants.
  func remainder(of prompt: PreparedPrompt) -> Range<Int> {
    let shared = positions(sharedWith: prompt)
    return shared..<(shared > 0 && prompt.captionRows.count == 1 ? shared : prompt.tokens.count)
  }

  /// What a graph of the remaining positions reads; `nil` where they are all.
  func tokens(before remainder: Range<Int>) -> GemmaEncoder.EarlierTokens? {
    guard remainder.lowerBound > 0 else { return nil }
    return GemmaEncoder.EarlierTokens(
      count: remainder.lowerBound, storedCount: tokens.count)
  }
}

extension StoredTensor {
  /// - Precondition: the values are stored as numbers of this type.
  fileprivate func elements<Number: BitwiseCopyable>(as type: Number.Type) -> [Number] {
    withExtendedLifetime(values) {
      (0..<description.elementCount).map {
        values.bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Number>.stride, as: type)
      }
    }
  }
}
