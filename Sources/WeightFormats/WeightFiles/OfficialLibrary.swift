/// The library whose `from_pretrained` loads a network, and which of several sets of weights it
/// takes.
enum OfficialLibrary: String {
  /// `ModelMixin.from_pretrained` (`models/modeling_utils.py`).
  case diffusers
  /// `PreTrainedModel.from_pretrained` (`modeling_utils.py`, `_get_resolved_checkpoint_files`).
  case transformers

  init(loading kind: ComponentKind?) {
    self = kind == .textEncoder ? .transformers : .diffusers
  }

  /// The place of a set among those that this library looks for, the least first; `nil` for names
  /// that it does not know.
  ///
  /// diffusers looks for an index before a single file, and knows no index of `.bin` files;
  /// transformers looks for a single file before an index, and does not know the first generation
  /// of a variant's names.
  func place(of set: WeightSet) -> Int? {
    guard set.stem.library == self else { return nil }
    switch (self, set.stem.format, set.form) {
    case (_, _, .named): return 0
    case (_, _, .parts): return nil
    case (.diffusers, .safetensors, .indexed): return set.isLegacy ? 2 : 1
    case (.diffusers, .safetensors, .single): return 3
    case (.diffusers, .torch, .single): return 4
    case (.diffusers, .torch, .indexed): return nil
    case (.transformers, _, .indexed) where set.isLegacy: return nil
    case (.transformers, .safetensors, .single): return 1
    case (.transformers, .safetensors, .indexed): return 2
    case (.transformers, .torch, .single): return 3
    case (.transformers, .torch, .indexed): return 4
    }
  }

  /// Whether one set is taken before another: those that the library looks for first, then whatever
  /// else is there, safetensors before torch files.
  func prefers(_ first: WeightSet, to second: WeightSet) -> Bool {
    rank(of: first).lexicographicallyPrecedes(rank(of: second))
  }

  private func rank(of set: WeightSet) -> [Int] {
    let form =
      switch set.form {
      case .named: 0
      case .indexed: 1
      case .single: 2
      case .parts(let count): 3 + count
      }
    return [
      place(of: set) ?? .max, set.stem.library == self ? 0 : 1,
      set.stem.format == .safetensors ? 0 : 1, set.isLegacy ? 1 : 0, form,
    ]
  }
}
