internal import Support

/// The order in which SentencePiece must prefer pieces, so that it merges as the ranks of a
/// `tokenizer.json` say.
///
/// `tokenizers` merges the two neighbours whose *pair* has the best rank, SentencePiece those whose
/// *product* has the best score; both prefer the leftmost of equals. They do the same if every way
/// to cut a product into two parts is a merge, and no rank of one product lies between those of
/// another, which is what the conversion of a SentencePiece model gives, and what is checked here.
/// The one difference left is which of two cuts of the same product comes first where a text has
/// both at once: by rank, or by place.
struct MergeOrder {
  /// Ids of pieces that merges make, the best first.
  let products: [Int]

  /// - Parameters:
  ///   - makes: by id, whether a text can come to hold the piece by merging; the merges of others
  ///     never happen.
  ///   - isPart: by id, whether the piece can be part of another.
  /// - Throws: `.unsupported` naming a piece whose merges are others.
  init(
    _ document: TokenizerDocument, makes: [Bool], isPart: [Bool]
  ) throws(SanaError) {
    let merges = document.merges.filter { makes[Int($0.product)] }
    var products: [Int] = []
    var isKnown = [Bool](repeating: false, count: document.pieces.count)
    for merge in merges where products.last != Int(merge.product) {
      let product = Int(merge.product)
      guard !isKnown[product] else {
        throw .inexpressibleTokenizer(
          document.location,
          "merges to \(document.quoted(products.last ?? 0)) stand between those to \(document.quoted(product))"
        )
      }
      isKnown[product] = true
      products.append(product)
    }
    self.products = products
    var rest = merges[...]
    for product in products + isKnown.indices.filter({ makes[$0] && !isKnown[$0] }) {
      let own = rest.prefix { Int($0.product) == product }
      rest = rest.dropFirst(own.count)
      try Self.check(
        product, cuts: own.map { Int($0.leftByteCount) }, of: document, isPart: isPart)
    }
  }

  /// Checks that a piece's merges are all the ways to cut it into two symbols: pieces, or
  /// characters, which need not be pieces.
  private static func check(
    _ id: Int, cuts: [Int], of document: TokenizerDocument, isPart: [Bool]
  ) throws(SanaError) {
    let pieces = document.pieces
    let range = pieces.pieces.range(of: id)
    let expected = pieces.pieces.bytes.withUnsafeBytes { bytes in
      let piece = UnsafeRawBufferPointer(rebasing: bytes[range])
      func isOne(_ part: Range<Int>) -> Bool {
        let part = UnsafeRawBufferPointer(rebasing: piece[part])
        if let id = pieces.id(of: part) { return isPart[id] }
        return part.dropFirst().allSatisfy(\.continuesScalar)
      }
      return piece.indices.dropFirst().filter {
        !piece[$0].continuesScalar && isOne(0..<$0) && isOne($0..<piece.count)
      }
    }
    let found = cuts.sorted()
    guard found != expected else { return }
    let text = pieces.pieces[id]
    func quoted(_ cut: Int) -> String {
      let parts = [text.prefix(cut), text.dropFirst(cut)]
      return parts.map { "'\(String(decoding: $0, as: UTF8.self).abbreviated)'" }
        .joined(separator: " and ")
    }
    let problem =
      if let missing = expected.first(where: { !found.contains($0) }) {
        "has no merge of \(quoted(missing))"
      } else if let other = found.first(where: { !expected.contains($0) }) {
        "has a merge of \(quoted(other)), which are no parts of a text"
      } else {
        "has a merge twice"
      }
    throw .inexpressibleTokenizer(
      document.location, "its piece \(document.quoted(id)) \(problem)")
  }
}

extension UInt8 {
  /// Whether a byte of UTF-8 is not the first of its scalar.
  var continuesScalar: Bool { self & 0xC0 == 0x80 }
}
