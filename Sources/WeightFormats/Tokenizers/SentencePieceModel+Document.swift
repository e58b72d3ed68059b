package import Support

extension SentencePieceModel {
  /// The model that gives every text the ids that a `tokenizer.json` gives it, once the pieces that
  /// are recognized as they stand in the text are cut out of it.
  ///
  /// - Parameters:
  ///   - json: the document.
  ///   - location: its path, for errors.
  /// - Throws: `.malformedFile`; `.unsupported` naming what cannot be expressed.
  package init(json: [UInt8], location: String) throws(SanaError) {
    var document: TokenizerDocument?
    var failure: SanaError?
    json.withUnsafeBytes { text in
      do throws(SanaError) {
        document = try TokenizerDocument(text, location: location)
      } catch {
        failure = error
      }
    }
    guard let document else { throw failure ?? .malformedTokenizer(location, "it is empty") }
    try self.init(document)
  }

  private init(_ document: TokenizerDocument) throws(SanaError) {
    let roles = try PieceRoles(document)
    let runs = try SpaceRuns(document, roles: roles)
    var reach = Reach(document, roles: roles, runs: runs, takesLongestRuns: false)
    let takesLongestRuns = runs.takeTheLongest(makes: reach.makes)
    if takesLongestRuns {
      reach = Reach(document, roles: roles, runs: runs, takesLongestRuns: true)
    }
    if let merge = document.merges.first(where: { reach.makesByte[Int($0.product)] }) {
      throw .inexpressibleTokenizer(
        document.location,
        "merges make its piece \(document.quoted(Int(merge.product))), which stands for a byte")
    }
    let order = try MergeOrder(document, makes: reach.makes, isPart: reach.isPart)
    let scores = Self.scores(order, count: document.pieces.count)
    pieces = try roles.roles.enumerated().map { id, role throws(SanaError) in
      var piece = Piece(text: document.pieces.pieces[id], isListed: false)
      switch role {
      case .ordinary: piece.score = scores[id]
      case .byte(let byte):
        piece.text = Array(PieceRoles.name(of: byte).utf8)[...]
        piece.type = .byte
        piece.isListed = roles.isAdded[id]
      case .unknown: piece.type = .unknown
      case .special: piece.type = .control
      case .userDefined where runs.isRun[id] && !takesLongestRuns:
        piece.score = scores[id]
        piece.isListed = true
      case .userDefined:
        piece.type = .userDefined
        // SentencePiece keeps these in a table of strings that end with a NUL.
        guard !piece.text.contains(0) else {
          throw .inexpressibleTokenizer(
            document.location, "its added token \(document.quoted(id)) holds a NUL")
        }
      }
      return piece
    }
  }

  /// By id, less for what is to be merged later. Trained vocabularies are in that order, which is
  /// then kept for all pieces.
  private static func scores(_ order: MergeOrder, count: Int) -> [Float] {
    let isSorted = zip(order.products, order.products.dropFirst()).allSatisfy { $0 < $1 }
    guard !isSorted else { return (0..<count).map { -Float($0) } }
    var scores = [Float](repeating: -Float(order.products.count), count: count)
    for (place, product) in order.products.enumerated() { scores[product] = -Float(place) }
    return scores
  }
}

/// What merging can come to.
private struct Reach {
  /// By id, whether the piece can be part of another.
  let isPart: [Bool]
  /// By id, whether a text can come to hold the piece by merging.
  let makes: [Bool]
  /// By id, whether merging could make the name of a byte.
  let makesByte: [Bool]

  init(
    _ document: TokenizerDocument, roles: PieceRoles, runs: SpaceRuns, takesLongestRuns: Bool
  ) {
    // What is cut out of texts before: nothing that holds it is ever made. Runs of spaces are made,
    // of spaces.
    let cutOut = Occurrences(
      of: document.addedTokens.filter { takesLongestRuns || !runs.isRun[$0.id] }
        .map { document.pieces.pieces[$0.id] })
    let isWhole = (0..<document.pieces.count).map { !cutOut.occur(in: document.pieces.pieces[$0]) }
    let isCharacter = (0..<document.pieces.count).map {
      document.pieces.pieces[$0].dropFirst().allSatisfy(\.continuesScalar)
    }
    isPart = roles.roles.enumerated().map { id, role in
      switch role {
      case .ordinary: isWhole[id]
      // A character that stands in the place of a byte.
      case .byte: isWhole[id] && isCharacter[id]
      case .userDefined: isWhole[id] && runs.isRun[id]
      case .unknown, .special: false
      }
    }
    makes = zip(isPart, isCharacter).map { $0 && !$1 }
    makesByte = roles.roles.enumerated().map { id, role in
      if case .byte = role { isWhole[id] && !isCharacter[id] } else { false }
    }
  }
}
