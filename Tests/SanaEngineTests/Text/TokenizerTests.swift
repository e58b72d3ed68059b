import Foundation
import SanaEngine
import SanaGraph
import Support
import TestSupport
import Testing
import WeightFormats

@Suite struct TokenizerTests {
  static var modelBytes: [UInt8] {
    get throws {
      let path = "checkpoints/sana-tiny/tokenizer/tokenizer.model"
      return Array(try Data(contentsOf: Fixtures.directory.appending(path: path)))
    }
  }

  /// The model as the checkpoint has it, and one made of its `tokenizer.json`.
  @Test(arguments: [false, true])
  func everyStringHasTheTokensOfTheOfficialPipeline(_ isMade: Bool) throws {
    let tokenizer = try Tokenizer(model: isMade ? Self.madeModel() : Self.modelBytes)
    #expect(tokenizer.vocabularySize == 2048)
    #expect(tokenizer.beginningToken == 2)
    for trace in try ReferenceTraces.files("tokenizer") {
      let bytes = try trace.uint8("tokenizer/utf8").values
      let ends = try trace.int64("tokenizer/utf8_offsets").values.map(Int.init)
      let tokens = try trace.int32("tokenizer/ids").values
      let tokenEnds = try trace.int64("tokenizer/ids_offsets").values.map(Int.init)
      #expect(ends.count > 200)
      for index in 0..<ends.count - 1 {
        let text = String(decoding: bytes[ends[index]..<ends[index + 1]], as: UTF8.self)
        let expected = Array(tokens[tokenEnds[index]..<tokenEnds[index + 1]])
        #expect(try tokenizer.encode(text) == expected, "\(text.debugDescription)")
      }
    }
  }

  private static func madeModel() throws -> [UInt8] {
    let path = "checkpoints/sana-tiny/tokenizer/tokenizer.json"
    let json = Array(try Data(contentsOf: Fixtures.directory.appending(path: path)))
    return try SentencePieceModel(json: json, location: "tokenizer.json").encoded
  }

  @Test func tokensBecomeTheirTextAgain() throws {
    let tokenizer = try Tokenizer(model: Self.modelBytes)
    for text in ["", "a caf\u{e9}", "  two  spaces ", "\u{1F431}\n\n\ttab", "\0", "\u{0130}"] {
      #expect(try tokenizer.decode(tokenizer.encode(text)) == text)
    }
    #expect(throws: SanaError.self) { try tokenizer.decode([2048]) }
    #expect(throws: SanaError.self) { try tokenizer.decode([-1]) }
  }

  @Test func literalMarkersDoNotJoinWithSpaces() throws {
    // U+2581 written out is cut out before spaces turn into it.
    let tokenizer = try Tokenizer(model: Self.modelBytes)
    let separately = try tokenizer.encode("\u{2581}\u{2581}") + tokenizer.encode(" x").dropFirst()
    #expect(try tokenizer.encode("\u{2581}\u{2581} x") == separately)
  }

  /// What follows the pieces of a model: kinds other than byte pairs, and tables that the library would follow anywhere.
  @Test(
    arguments: [
      ([0x12, 2, 0x18, 1], "is of another kind than byte-pair encoding"),
      ([0x12, 2, 0x18, 4], "is of another kind than byte-pair encoding"),
      ([0x1A, 6, 0x12, 4, 0xFF, 0xFF, 0xFF, 0x7F], "has a table of normalizations"),
      ([0x2A, 6, 0x12, 4, 4, 0, 0, 0], "has a table of normalizations"),
      ([0x0A, 2, 0x18, 9], "is no SentencePiece model"),
      ([0x0A, 200, 1], "is no SentencePiece model"),
      ([0x0B], "is no SentencePiece model"), ([0x02, 0], "is no SentencePiece model"),
      ([0x92, 0x80, 0x80, 0x80, 0x10, 2, 0x18, 1], "is no SentencePiece model"),
      ([UInt8](repeating: 0xFF, count: 11), "is no SentencePiece model"),
    ] as [([UInt8], String)])
  func modelsOfAnotherKindAreRefused(_ rest: [UInt8], _ message: String) throws {
    let error = #expect(throws: SanaError.self) { try Tokenizer(model: Self.modelBytes + rest) }
    #expect(error?.message.contains(message) == true, "\(error?.description ?? "")")
  }

  @Test func damagedModelsAreRefusedOrWork() throws {
    let bytes = try Self.modelBytes
    #expect(throws: SanaError.self) { try Tokenizer(model: []) }
    #expect(throws: SanaError.self) { try Tokenizer(model: Array("no model".utf8)) }
    for length in stride(from: 1, to: bytes.count, by: 1499) {
      _ = try? Tokenizer(model: Array(bytes.prefix(length))).encode("a red fox")
    }
  }
}
