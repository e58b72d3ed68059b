/// What the name of a tensor in an adapter's file says: the module that it adapts, and which part
/// of the adapter it is.
///
/// The names are those of PEFT, diffusers (old and new), kohya's scripts, LyCORIS and OneTrainer.
enum AdapterTensorName: Equatable {
  case part(AdapterPart, module: String)
  /// The embedding of a placeholder that prompts name, which OneTrainer puts beside the matrices.
  case embedding(placeholder: String)
  /// A part of an adapter of a known flavour that is not merged.
  case unsupported(flavour: String)

  /// - Returns: `nil` for a name that is no adapter's.
  init?(_ name: String) {
    let components = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    if components.count >= 3, components[0] == "bundle_emb" {
      self = .embedding(placeholder: components[1..<components.count - 1].joined(separator: "."))
      return
    }
    for (marker, flavour) in Self.unsupportedMarkers
    where components.dropFirst().contains(marker) {
      self = .unsupported(flavour: flavour)
      return
    }
    guard let (part, count) = Self.part(components), count < components.count else { return nil }
    var module = Array(components.dropLast(count))
    // `attn1.processor.to_q_lora.down.weight` of diffusers before its layers knew adapters.
    if let wrapped = Self.wrapped(components[module.count]) {
      if module.last == "processor" { module.removeLast() }
      module += wrapped
    }
    guard !module.isEmpty else { return nil }
    self = .part(part, module: module.joined(separator: "."))
  }

  /// The part that the last components name, and how many of them do.
  private static func part(_ components: [String]) -> (AdapterPart, count: Int)? {
    // PEFT puts the adapter's own name behind the part's: `lora_A.default.weight`,
    // `lokr_w1.default`.
    for count in (1...3).reversed() where components.count > count {
      let suffix = Array(components.suffix(count))
      let name = suffix[0]
      switch count {
      case 3:
        if let part = weights[name], suffix[2] == "weight" { return (part, 3) }
        if name == "lora" || name == "lora_linear_layer" || wrapped(name) != nil,
          suffix[2] == "weight", let part = halves[suffix[1]]
        {
          return (part, 3)
        }
        if name == magnitude, suffix[2] == "weight" { return (.magnitude, 3) }
      case 2:
        if let part = weights[name], suffix[1] == "weight" { return (part, 2) }
        if name == magnitude { return (.magnitude, 2) }
        if name == "lora" || name == "lora_linear_layer" || wrapped(name) != nil,
          suffix[1] == "alpha"
        {
          return (.alpha, 2)
        }
        if let part = parameters[name], part != .alpha { return (part, 2) }
      default:
        if let part = parameters[name] { return (part, 1) }
        if name == magnitude { return (.magnitude, 1) }
      }
    }
    return nil
  }

  /// Layers whose weights they are.
  private static let weights: [String: AdapterPart] = [
    "lora_A": .down, "lora_B": .up, "lora_down": .down, "lora_up": .up, "lora_mid": .middle,
  ]
  private static let halves: [String: AdapterPart] = ["down": .down, "up": .up]
  private static let magnitude = "lora_magnitude_vector"
  private static let parameters: [String: AdapterPart] = [
    "alpha": .alpha, "dora_scale": .scale, "diff": .difference,
    "lokr_w1": .first, "lokr_w1_a": .firstUp, "lokr_w1_b": .firstDown,
    "lokr_w2": .second, "lokr_w2_a": .secondUp, "lokr_w2_b": .secondDown, "lokr_t2": .secondCore,
    "hada_w1_a": .hadamardFirstUp, "hada_w1_b": .hadamardFirstDown,
    "hada_w2_a": .hadamardSecondUp, "hada_w2_b": .hadamardSecondDown,
  ]

  /// The module whose adapter an attention processor held: `to_q` for `to_q_lora`.
  private static func wrapped(_ name: String) -> [String]? {
    switch name {
    case "to_q_lora", "to_k_lora", "to_v_lora": [String(name.dropLast("_lora".count))]
    case "to_out_lora": ["to_out", "0"]
    default: nil
    }
  }

  /// Components that tell other flavours.
  private static let unsupportedMarkers: [(String, String)] = [
    ("hada_t1", "LoHa in Tucker form"), ("hada_t2", "LoHa in Tucker form"),
    ("lora_E", "AdaLoRA"), ("ranknum", "AdaLoRA"),
    ("oft_R", "OFT"), ("oft_r", "OFT"), ("oft_blocks", "OFT"), ("oft_diag", "OFT"),
    ("boft_R", "BOFT"), ("boft_s", "BOFT"),
    ("a1", "GLoRA"), ("a2", "GLoRA"), ("b1", "GLoRA"), ("b2", "GLoRA"),
    ("glora_A", "GLoRA"), ("gralora_A", "GraLoRA"), ("gralora_B", "GraLoRA"),
    ("ia3_l", "IA3"), ("on_input", "IA3"),
    ("vera_lambda_b", "VeRA"), ("vera_lambda_d", "VeRA"), ("vblora_logits_A", "VB-LoRA"),
    ("randlora_lambda", "RandLoRA"), ("delora_lambda", "DeLoRA"), ("hra_u", "HRA"),
    ("fourierft_spectrum", "FourierFT"), ("waveft_spectrum", "WaveFT"), ("c3a_kernel", "C3A"),
    ("bone_block", "Bone"), ("miss_block", "MiSS"), ("shira_weight", "SHiRA"),
    ("lora_embedding_A", "LoRA of an embedding"), ("lora_embedding_B", "LoRA of an embedding"),
    ("w_norm", "LyCORIS' trained norms"), ("b_norm", "LyCORIS' trained norms"),
    ("diff_b", "trained biases"), ("modules_to_save", "whole trained layers"),
  ]
}

/// Parts of what adapts one module.
enum AdapterPart: Hashable {
  /// `[rank, inputs]` and `[outputs, rank]`, with kernel axes where they adapt a convolution.
  case down, up
  /// `[rank, rank, height, width]`: between the halves of a convolution's adapter (LyCORIS, "Tucker
  /// decomposition").
  case middle
  case alpha
  /// PEFT's DoRA: the lengths of the matrix's rows.
  case magnitude
  /// LyCORIS' DoRA: the lengths of rows or columns.
  case scale
  /// LoKr: the factors of a Kronecker product, whole or as products themselves, the second with a
  /// core in between.
  case first, firstUp, firstDown, second, secondUp, secondDown, secondCore
  /// LoHa: two products that are multiplied number by number.
  case hadamardFirstUp, hadamardFirstDown, hadamardSecondUp, hadamardSecondDown
  /// What is added, as it is.
  case difference
}
