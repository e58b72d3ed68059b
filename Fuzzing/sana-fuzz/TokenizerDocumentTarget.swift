internal import SanaEngine
internal import SanaGraph
internal import Support
internal import TestSupport
internal import WeightFormats

/// A count of bytes, a text of as many, and a `tokenizer.json`: a model that is made of it must
/// load, and the text goes through it.
struct TokenizerDocumentTarget: FuzzTarget {
  func run(_ input: [UInt8]) {
    guard let count = input.first.map(Int.init) else { return }
    let text = String(decoding: input.dropFirst().prefix(count), as: UTF8.self)
    let json = Array(input.dropFirst(1 + count))
    guard let model = try? SentencePieceModel(json: json, location: "fuzz") else { return }
    guard let tokenizer = try? Tokenizer(model: model.encoded) else {
      fatalError("cannot load what was made")
    }
    precondition(tokenizer.vocabularySize == model.pieces.count)
    for token in (try? tokenizer.encode(text)) ?? [] {
      precondition((0..<tokenizer.vocabularySize).contains(Int(token)))
    }
  }

  func mutate(_ input: [UInt8], _ mutator: inout Mutator) -> [UInt8] {
    guard let count = input.first.map(Int.init), input.count > 1 + count, mutator.chance(7, of: 8)
    else { return mutator.mutate(input) }
    let json = Array(input[(1 + count)...])
    let value = json.withUnsafeBytes { try? JSONParser.parse($0, location: "fuzz") }
    guard let value else { return mutator.mutate(input) }
    return Array(input[..<(1 + count)]) + JSONWriter.write(mutator.mutate(value))
  }

  func seeds() throws -> [[UInt8]] {
    TokenizerSample.MergeOrder.allCases.map { order in
      var sample = TokenizerSample.small
      sample.mergeOrder = order
      let text = Array("abcab  -----\n\n<turn>\u{e9}".utf8)
      return [UInt8(text.count)] + text + sample.bytes
    }
  }
}
