/// What the name of a file of weights says: `model.fp16-00001-of-00002.safetensors` is the first of
/// two parts of the variant `fp16`.
///
/// The names are those that `save_pretrained` of diffusers and of transformers gives. A variant's
/// names have two generations: in the first, the variant stands behind a part's number
/// (`model-00001-of-00002.fp16.safetensors`), and before `index` in the name of an index
/// (`model.safetensors.fp16.index.json`).
struct WeightFileName: Hashable {
  enum Role: Hashable {
    /// All weights in one file.
    case whole
    /// One of several files.
    case part(PartNumber)
    /// A document that says which tensor is in which file.
    case index
  }

  /// `00001-of-00002`.
  struct PartNumber: Hashable {
    /// From 1 to `count`.
    let number: Int
    let count: Int
    /// The number as the name has it.
    let digits: String
  }

  let text: String
  let stem: WeightFileStem
  /// `fp16`, or `nil` for the plain weights.
  let variant: String?
  let role: Role
  /// Whether the name is of the first generation.
  let isLegacy: Bool

  /// - Returns: `nil` for names that neither library gives to weights.
  init?(_ text: String) {
    for stem in WeightFileStem.allCases {
      if let name = WeightFileName(text, stem: stem) {
        self = name
        return
      }
    }
    return nil
  }

  private init?(_ text: String, stem: WeightFileStem) {
    guard text.hasPrefix(stem.name) else { return nil }
    let fields = text.dropFirst(stem.name.count)
      .split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    let leading = PartNumber.ending(fields[0])
    guard fields[0].isEmpty || leading?.prefix.isEmpty == true else { return nil }
    let suffix = stem.format.suffix
    var variant: String?
    switch Array(fields.dropFirst()) {
    case [suffix]:
      role = leading.map { .part($0.part) } ?? .whole
      isLegacy = false
    case [suffix, "index", "json"] where leading == nil:
      role = .index
      isLegacy = false
    case let rest where rest.count == 2 && rest[1] == suffix:
      if leading == nil, let inner = PartNumber.ending(rest[0]) {
        variant = inner.prefix
        role = .part(inner.part)
      } else {
        variant = rest[0]
        role = leading.map { .part($0.part) } ?? .whole
      }
      isLegacy = leading != nil
    case let rest where rest.count == 4 && rest[0] == suffix && rest[3] == "json" && leading == nil:
      guard let place = rest.firstIndex(of: "index"), place == 1 || place == 2 else { return nil }
      variant = rest[3 - place]
      role = .index
      isLegacy = place == 2
    default: return nil
    }
    guard variant?.isEmpty != true else { return nil }
    self.text = text
    self.stem = stem
    self.variant = variant
  }

  /// The name of another part of the same weights.
  func name(ofPart number: Int) -> String? {
    guard case .part(let part) = role else { return nil }
    let digits = String(number)
    let padding = String(repeating: "0", count: max(part.digits.count - digits.count, 0))
    return text.replacing("-\(part.digits)-of-", with: "-\(padding)\(digits)-of-")
  }
}

extension WeightFileName.PartNumber {
  /// The number that a text ends with, and what stands before it: `fp16` of `fp16-00001-of-00002`.
  fileprivate static func ending(_ text: String) -> (prefix: String, part: Self)? {
    let fields = text.split(separator: "-", omittingEmptySubsequences: false)
    guard fields.count >= 4, fields[fields.count - 2] == "of",
      let count = number(fields[fields.count - 1]), let number = number(fields[fields.count - 3]),
      number <= count
    else { return nil }
    return (
      fields.dropLast(3).joined(separator: "-"),
      Self(number: number, count: count, digits: String(fields[fields.count - 3]))
    )
  }

  private static func number(_ digits: Substring) -> Int? {
    guard digits.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int(digits),
      1...99_999 ~= number
    else { return nil }
    return number
  }
}

/// How the names of a network's weights begin, and how their files are written.
enum WeightFileStem: CaseIterable {
  case diffusersSafetensors
  case diffusersTorch
  case transformersSafetensors
  case transformersTorch

  enum Format: Hashable {
    case safetensors
    case torch

    var suffix: String {
      switch self {
      case .safetensors: "safetensors"
      case .torch: "bin"
      }
    }
  }

  var name: String {
    switch self {
    case .diffusersSafetensors, .diffusersTorch: "diffusion_pytorch_model"
    case .transformersSafetensors: "model"
    case .transformersTorch: "pytorch_model"
    }
  }

  var format: Format {
    switch self {
    case .diffusersSafetensors, .transformersSafetensors: .safetensors
    case .diffusersTorch, .transformersTorch: .torch
    }
  }

  var library: OfficialLibrary {
    switch self {
    case .diffusersSafetensors, .diffusersTorch: .diffusers
    case .transformersSafetensors, .transformersTorch: .transformers
    }
  }
}
