import Foundation
import SanaEngine
import SanaGraph
import Support
import TestSupport
import Testing
import WeightFormats

/// A model made of a `tokenizer.json` gives the ids of the `tokenizers` library, or there is none.
@Suite struct TokenizerDocumentTests {
  private func model(_ sample: TokenizerSample) throws -> SentencePieceModel {
    try SentencePieceModel(json: sample.bytes, location: "tokenizer.json")
  }

  private func tokens(_ text: String, _ sample: TokenizerSample) throws -> [String] {
    let tokenizer = try Tokenizer(model: model(sample).encoded)
    return try tokenizer.encode(text).map { sample.pieces[Int($0)] }
  }

  private func expectRefusal(
    _ sample: TokenizerSample, _ message: String, code: SanaError.Code = .unsupported,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let error = #expect(throws: SanaError.self, sourceLocation: sourceLocation) {
      try model(sample)
    }
    #expect(error?.code == code, sourceLocation: sourceLocation)
    let text = error?.description ?? ""
    #expect(text.contains(message), "\(text)", sourceLocation: sourceLocation)
    #expect(!text.contains("\n"), sourceLocation: sourceLocation)
    #expect(text.hasPrefix("tokenizer.json: "), sourceLocation: sourceLocation)
  }

  @Test(arguments: TokenizerSample.MergeOrder.allCases, [false, true])
  func mergesGoByTheirRanks(_ order: TokenizerSample.MergeOrder, _ asStrings: Bool) throws {
    var sample = TokenizerSample.small
    sample.mergeOrder = order
    sample.writesMergesAsStrings = asStrings
    #expect(try tokens("abcab", sample) == ["<bos>", "abc", "ab"])
    #expect(try tokens(" ab ab", sample) == ["<bos>", "\u{2581}ab", "\u{2581}ab"])
    #expect(try tokens("-----", sample) == ["<bos>", "----", "-"])
    #expect(try tokens("\n\n\na", sample) == ["<bos>", "\n\n", "\n", "a"])
    #expect(try tokens("\u{e9}", sample) == ["<bos>", "<0xC3>", "<0xA9>"])
    #expect(try tokens("a<turn><bos>b", sample) == ["<bos>", "a", "<turn>", "<bos>", "b"])
  }

  /// The libraries' runs of spaces: either the longest is taken, or shorter ones are joined.
  @Test(arguments: [
    (TokenizerSample.MergeOrder.length, [3, 2]), (.score, [2, 3]), (.identifier, [2, 3]),
  ])
  func runsOfSpacesAreCutAsTheRanksSay(
    _ order: TokenizerSample.MergeOrder, _ lengths: [Int]
  ) throws {
    var sample = TokenizerSample.small
    sample.mergeOrder = order
    let runs = lengths.map { String(repeating: "\u{2581}", count: $0) }
    #expect(try tokens("     ", sample) == ["<bos>"] + runs)
    // Written out, the character is cut out before: the longest first.
    #expect(
      try tokens("\u{2581}\u{2581}\u{2581}\u{2581}\u{2581}", sample)
        == ["<bos>", "\u{2581}\u{2581}\u{2581}", "\u{2581}\u{2581}"])
  }

  @Test func aTabStandsInThePlaceOfItsByte() throws {
    var sample = TokenizerSample.small
    sample.pieces = sample.pieces.map { $0 == "<0x09>" ? "\t" : $0 }
    #expect(try tokens("a\tb", sample) == ["<bos>", "a", "\t", "b"])
    #expect(try model(sample).pieces.contains { $0.text.elementsEqual("<0x09>".utf8) })
  }

  @Test func tokensBeyondTheVocabularyFollowIt() throws {
    var sample = TokenizerSample.small
    let added: MetadataValue = [
      "id": .integer(Int64(sample.pieces.count)), "content": "<new>", "single_word": false,
      "lstrip": false, "rstrip": false, "normalized": true, "special": false,
    ]
    let tokens = sample.document["added_tokens"]?.arrayValue ?? []
    sample.replaced["added_tokens"] = .array(tokens + [added])
    let tokenizer = try Tokenizer(model: model(sample).encoded)
    #expect(tokenizer.vocabularySize == sample.pieces.count + 1)
    #expect(try tokenizer.encode("a<new>").last == Int32(sample.pieces.count))
    // It is looked for after the others: one that could overlap them is not expressible.
    sample.replaced["added_tokens"] = .array(tokens + [added.replacing(["content"], with: "n>y")])
    expectRefusal(sample, "its added token 'n>y' is marked 'normalized'")
  }

  @Test func piecesThatUnicodeTakesForOneAreTwo() throws {
    var sample = TokenizerSample.small
    sample.pieces += ["\u{e9}", "e\u{301}", "e", "\u{301}"]
    #expect(try tokens("\u{e9}", sample) == ["<bos>", "\u{e9}"])
    #expect(try tokens("e\u{301}", sample).map(\.unicodeScalars.count) == [5, 2])
  }

  @Test(
    arguments: [
      ("model.type", "Unigram", "its model is 'Unigram', not BPE"),
      ("model.type", "WordPiece", "its model is 'WordPiece', not BPE"),
      ("model.byte_fallback", false, "no byte fallback"),
      ("model.dropout", 0.1, "a dropout"),
      ("model.end_of_word_suffix", "</w>", "'end_of_word_suffix'"),
      ("model.continuing_subword_prefix", "##", "'continuing_subword_prefix'"),
      ("model.ignore_merges", true, "ignores merges"),
      ("model.unk_token", nil, "unknown token"), ("model.unk_token", "ab", "unknown token"),
      ("normalizer", nil, "its normalizer is missing"),
      ("normalizer", ["type": "NFKC"], "its normalizer is 'NFKC'"),
      ("normalizer.content", "_", "replaces something else"),
      ("normalizer.pattern", ["Regex": " "], "replaces something else"),
      ("normalizer", ["type": "Sequence", "normalizers": []], "'Sequence'"),
      ("pre_tokenizer", ["type": "ByteLevel"], "its pre-tokenizer is 'ByteLevel'"),
      ("pre_tokenizer.pattern", ["String": "a"], "splits at something else"),
      ("pre_tokenizer.invert", true, "splits at something else"),
      ("post_processor", nil, "its post-processor is missing"),
      ("post_processor.type", "RobertaProcessing", "'RobertaProcessing'"),
      ("post_processor.single", [], "something else than put '<bos>'"),
    ] as [(String, MetadataValue, String)])
  func anotherSettingIsRefusedByName(
    _ path: String, _ value: MetadataValue, _ message: String
  ) throws {
    var sample = TokenizerSample.small
    sample.replaced[path] = value
    expectRefusal(sample, message)
  }

  @Test func settingsThatChangeNoIdsAreTaken() throws {
    var sample = TokenizerSample.small
    let expected = try model(sample).encoded
    sample.replaced = [
      "pre_tokenizer": nil, "truncation": ["max_length": 300], "decoder": ["type": "Fuse"],
      "padding": ["strategy": ["Fixed": 300]], "model.end_of_word_suffix": "",
      "normalizer": [
        "type": "Sequence",
        "normalizers": [
          ["type": "Replace", "pattern": ["String": " "], "content": "\u{2581}"]
        ],
      ],
    ]
    #expect(try model(sample).encoded == expected)
  }

  @Test func vocabulariesWithHolesAndDoublesAreRefused() throws {
    var sample = TokenizerSample.small
    let pieces = sample.document["model"]?["vocab"]?.members ?? []
    func expect(_ edit: (inout [MetadataValue.Member]) -> Void, _ message: String) {
      var edited = pieces
      edit(&edited)
      sample.replaced["model.vocab"] = .object(edited)
      expectRefusal(sample, message)
    }
    let last = pieces.count - 1
    expect({ $0[last] = .init("x", .integer(Int64(last) + 1)) }, "'x' has \(last + 1)")
    expect({ $0[last] = .init("x", -1) }, "'x' has -1")
    expect({ $0[last] = .init("x", .integer(.max)) }, "'x' has \(Int64.max)")
    expect({ $0[last] = .init("x", 7) }, "and 'x' have one id, 7")
    expect({ $0[last] = .init("ab", .integer(Int64(last))) }, "'ab' stands there twice")
    expect({ $0[last] = .init("", .integer(Int64(last))) }, "piece with id \(last) is empty")
    expect(
      { $0[last] = .init(String(repeating: "x", count: 300), .integer(Int64(last))) },
      "is 300 bytes long")
    expect({ $0[20] = .init("x", 20) }, "lacks '<0x0B>'")
  }

  @Test func addedTokensThatSentencePieceWouldNotFindAreRefused() throws {
    var sample = TokenizerSample.small
    let tokens = sample.document["added_tokens"]?.arrayValue ?? []
    func expect(_ edit: (inout [MetadataValue]) -> Void, _ message: String) {
      var edited = tokens
      edit(&edited)
      sample.replaced["added_tokens"] = .array(edited)
      expectRefusal(sample, message)
    }
    for mark in ["single_word", "lstrip", "rstrip"] {
      expect({ $0[4] = $0[4].replacing([mark], with: true) }, "'<turn>' is marked '\(mark)'")
    }
    expect({ $0[4] = $0[4].replacing(["id"], with: 5) }, "says to have id 5, but has 4")
    expect({ $0.append($0[4]) }, "'<turn>' stands there twice")
    expect(
      { $0[4] = $0[4].replacing(["content"], with: "<new>") }, "says to have id 4, but has")
    expect(
      { $0[4] = ["id": .integer(Int64(sample.pieces.count)), "content": "x\u{2581}"] },
      "'x\u{2581}' holds U+2581")
    expect({ $0.remove(at: 2) }, "'<bos>' is none of its special added tokens")
    expect({ $0[2] = $0[2].replacing(["special"], with: false) }, "'<bos>' is none")
    expect({ $0.remove(at: 3) }, "unknown token")
  }

  @Test func otherMergesAreRefusedByThePieceTheyMake() throws {
    var sample = TokenizerSample.small
    sample.mergeOrder = .identifier
    func expect(
      _ edit: @escaping @Sendable ([MetadataValue]) -> [MetadataValue], _ message: String,
      code: SanaError.Code = .unsupported
    ) {
      sample.editMerges = edit
      expectRefusal(sample, message, code: code)
    }
    @Sendable func merge(_ left: String, _ right: String) -> MetadataValue {
      [.string(left), .string(right)]
    }
    let first = merge("ab", "c")
    expect({ $0.filter { $0 != first } }, "'abc' has no merge of 'ab' and 'c'")
    expect({ $0.filter { $0 != first } + [first, first] }, "'abc' has a merge twice")
    // Ranks of `---`, which can be cut in two ways, around another's.
    let late = merge("-", "--")
    expect({ $0.filter { $0 != late } + [late] }, "stand between those to '---'")
    expect({ $0 + [merge("a", "c")] }, "is not of pieces to a piece", code: .malformedFile)
    expect({ $0 + [merge("x", "ab")] }, "is not of pieces to a piece", code: .malformedFile)
    expect({ $0 + [["a"]] }, "a merge is two pieces", code: .malformedFile)
    expect({ $0 + ["a b c"] }, "a merge is two pieces", code: .malformedFile)
    expect({ $0 + [7] }, "a string should stand here", code: .malformedFile)
  }

  @Test(arguments: ["", "{", "[]", "{}", #"{"model":{}}"#, #"{"model":{"vocab":{},"vocab":{}}}"#])
  func whatIsNoTokenizerIsRefused(_ text: String) {
    #expect(throws: SanaError.self) {
      try SentencePieceModel(json: Array(text.utf8), location: "tokenizer.json")
    }
  }

  @Test func damagedDocumentsAreRefusedOrWork() throws {
    let bytes = TokenizerSample.small.bytes
    var random = SplitMix(seed: 7)
    for _ in 0..<400 {
      var damaged = bytes
      damaged[Int.random(in: damaged.indices, using: &random)] = UInt8.random(
        in: 0...255, using: &random)
      guard let model = try? SentencePieceModel(json: damaged, location: "tokenizer.json") else {
        continue
      }
      _ = try Tokenizer(model: model.encoded).encode("abcab ---<turn>")
    }
  }
}
