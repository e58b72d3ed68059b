public import Support
internal import WeightFormats

/// A `tokenizer.json` of Gemma's kind, small or as large as Gemma's, as conversions of a
/// SentencePiece model write it.
public struct TokenizerSample: Sendable {
  /// How the merges are ordered: releases of the conversion differ.
  public enum MergeOrder: CaseIterable, Sendable {
    /// By score, then in the order of the halves' ids.
    case score
    /// By score, then the longer halves first.
    case length
    /// By id, then the shorter halves first.
    case identifier
  }

  /// By id.
  public var pieces: [String]
  /// Those that are recognized as they stand.
  public var added: [String]
  public var special: Set<String> = ["<pad>", "<eos>", "<bos>", "<unk>"]
  /// Whether a merge is one string, as in older documents.
  public var writesMergesAsStrings = false
  public var mergeOrder = MergeOrder.length
  /// What takes the place of the document's members, by path: `model.type`.
  public var replaced: [String: MetadataValue] = [:]
  /// What the merges become.
  public var editMerges: @Sendable ([MetadataValue]) -> [MetadataValue] = { $0 }

  /// - Parameter words: pieces beside the special ones and the bytes, the first merged soonest.
  public init(words: [String], added: [String] = []) {
    let special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    self.added = special + added
    pieces = self.added + Self.bytes + words
  }

  /// The names of the 256 bytes.
  public static var bytes: [String] {
    (0..<256).map {
      let digits = String($0, radix: 16, uppercase: true)
      return "<0x\(digits.count == 1 ? "0" : "")\(digits)>"
    }
  }

  /// A few words over `abc`, runs of spaces and of `-`.
  public static var small: TokenizerSample {
    TokenizerSample(
      words: [
        "ab", "\u{2581}a", "--", "abc", "\u{2581}ab", "----", "---", "cab", "a", "b", "c", "-",
        "\u{2581}",
      ],
      added: ["<turn>", "\n", "\n\n", "\u{2581}\u{2581}", "\u{2581}\u{2581}\u{2581}"])
  }

  private var merges: [(left: String, right: String)] {
    let ids = Dictionary(
      pieces.enumerated().map { (Array($1.utf8), $0) }, uniquingKeysWith: { first, _ in first })
    func id(_ piece: String) -> Int? { ids[Array(piece.utf8)] }
    let firstWord = added.count + 256
    var merges: [(left: String, right: String, score: Int)] = []
    for (number, piece) in pieces.enumerated() where !Self.bytes.contains(piece) {
      let scalars = Array(piece.unicodeScalars)
      // Added tokens have the score 0, as has the first word.
      let score = mergeOrder == .identifier ? number : max(number - firstWord, 0)
      var halves: [(left: String, right: String, score: Int)] = []
      for cut in scalars.indices.dropFirst() {
        let left = String(String.UnicodeScalarView(scalars[..<cut]))
        let right = String(String.UnicodeScalarView(scalars[cut...]))
        guard id(left) != nil, id(right) != nil else { continue }
        halves.append((left, right, score))
      }
      merges += halves.sorted {
        (id($0.left) ?? 0, id($0.right) ?? 0) < (id($1.left) ?? 0, id($1.right) ?? 0)
      }
    }
    return merges.enumerated().sorted { first, second in
      let (ours, theirs) = (first.element, second.element)
      let (left, other) = (ours.left.unicodeScalars.count, theirs.left.unicodeScalars.count)
      let (right, another) = (ours.right.unicodeScalars.count, theirs.right.unicodeScalars.count)
      switch mergeOrder {
      case .score: return (ours.score, first.offset) < (theirs.score, second.offset)
      case .length:
        return (ours.score, -left, -right, first.offset)
          < (theirs.score, -other, -another, second.offset)
      case .identifier:
        return (ours.score, left, right, first.offset)
          < (theirs.score, other, another, second.offset)
      }
    }.map { ($0.element.left, $0.element.right) }
  }

  private var addedTokens: [MetadataValue] {
    added.map { token in
      let id = pieces.firstIndex { $0.utf8.elementsEqual(token.utf8) } ?? pieces.count
      return [
        "id": .integer(Int64(id)), "content": .string(token), "single_word": false, "lstrip": false,
        "rstrip": false, "normalized": false, "special": .bool(special.contains(token)),
      ]
    }
  }

  public var document: MetadataValue {
    let merges = merges.map { merge -> MetadataValue in
      writesMergesAsStrings
        ? .string("\(merge.left) \(merge.right)")
        : .array([.string(merge.left), .string(merge.right)])
    }
    let document: MetadataValue = [
      "version": "1.0", "truncation": nil, "padding": nil, "added_tokens": .array(addedTokens),
      "normalizer": ["type": "Replace", "pattern": ["String": " "], "content": "\u{2581}"],
      "pre_tokenizer": [
        "type": "Split", "pattern": ["String": " "], "behavior": "MergedWithPrevious",
        "invert": false,
      ],
      "post_processor": [
        "type": "TemplateProcessing",
        "single": [
          ["SpecialToken": ["id": "<bos>", "type_id": 0]], ["Sequence": ["id": "A", "type_id": 0]],
        ],
      ],
      "model": [
        "type": "BPE", "dropout": nil, "unk_token": "<unk>", "continuing_subword_prefix": nil,
        "end_of_word_suffix": nil, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
        "vocab": .object(
          pieces.enumerated().map { .init($1, .integer(Int64($0))) }),
        "merges": .array(editMerges(merges)),
      ],
    ]
    return replaced.reduce(document) { document, edit in
      document.replacing(edit.key.split(separator: ".").map(String.init)[...], with: edit.value)
    }
  }

  public var bytes: [UInt8] { JSONWriter.write(document) }
}

extension MetadataValue {
  /// The same tree with another value at a path of member names, which it need not have.
  public func replacing(_ path: ArraySlice<String>, with value: MetadataValue) -> MetadataValue {
    guard let name = path.first else { return value }
    let members = members ?? []
    let inner = (members.first { $0.name == name }?.value ?? .object([])).replacing(
      path.dropFirst(), with: value)
    guard members.contains(where: { $0.name == name }) else {
      return .object(members + [Member(name, inner)])
    }
    return .object(members.map { $0.name == name ? Member(name, inner) : $0 })
  }
}
