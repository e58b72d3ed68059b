internal import Foundation
internal import SanaEngine
internal import SanaGraph
internal import TestSupport

/// A count of bytes, a text of as many, and a `tokenizer.model`: it is loaded, and the text goes through it and back.
struct TokenizerTarget: FuzzTarget {
  func run(_ input: [UInt8]) {
    guard let count = input.first.map(Int.init) else { return }
    let text = String(decoding: input.dropFirst().prefix(count), as: UTF8.self)
    guard let tokenizer = try? Tokenizer(model: Array(input.dropFirst(1 + count))) else { return }
    guard let tokens = try? tokenizer.encode(text) else { return }
    for token in tokens { precondition((0..<tokenizer.vocabularySize).contains(Int(token))) }
    _ = try? tokenizer.decode(tokens)
    _ = try? tokenizer.decode((0..<Int32(min(tokenizer.vocabularySize, 600))).map { $0 })
  }

  func mutate(_ input: [UInt8], _ mutator: inout Mutator) -> [UInt8] {
    guard let count = input.first.map(Int.init), input.count > 1 + count, mutator.chance(7, of: 8)
    else { return mutator.mutate(input) }
    var text = Array(input[1..<1 + count])
    var message = ProtocolBufferMessage(input[(1 + count)...])
    switch mutator.below(8) {
    case 0: text = Array(mutator.mutate(text).prefix(255))
    default: message.mutate(&mutator)
    }
    return [UInt8(text.count)] + text + message.encoded
  }

  func seeds() throws -> [[UInt8]] {
    let path = "checkpoints/sana-tiny/tokenizer/tokenizer.model"
    let model = [UInt8](try Data(contentsOf: Fixtures.directory.appending(path: path)))
    // The first pieces are the special ones and the 256 bytes; a few hundred make words.
    var small = ProtocolBufferMessage(model[...])
    let pieces = small.fields.filter { $0.number == 1 }
    small.fields = Array(pieces.prefix(600)) + small.fields.filter { $0.number != 1 }
    return ["a red fox\n\n<bos>", "caf\u{e9} \u{2581}\u{2581} \u{1F431}", ""].map {
      [UInt8($0.utf8.count)] + Array($0.utf8) + small.encoded
    }
  }
}

/// A protocol-buffer message as a list of its fields, whatever they mean.
struct ProtocolBufferMessage {
  struct Field {
    var number: UInt64
    var type: UInt64
    /// A number's own bytes, or the contents.
    var bytes: [UInt8]
  }

  var fields: [Field] = []
  /// What is no field any more.
  private var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) {
    rest = bytes
    while let field = next() { fields.append(field) }
  }

  private mutating func next() -> Field? {
    let start = rest
    func number() -> UInt64? {
      var value: UInt64 = 0
      for shift in stride(from: UInt64(0), to: 64, by: 7) {
        guard let byte = rest.popFirst() else { return nil }
        value |= UInt64(byte & 0x7F) << shift
        if byte < 0x80 { return value }
      }
      return nil
    }
    if let tag = number() {
      let count: UInt64? =
        switch tag & 7 {
        case 0:
          {
            let before = rest
            guard number() != nil else { return nil }
            defer { rest = before }
            return UInt64(rest.startIndex - before.startIndex)
          }()
        case 1: 8
        case 2: number()
        case 5: 4
        default: nil
        }
      if let count, count <= UInt64(rest.count) {
        defer { rest = rest.dropFirst(Int(count)) }
        return Field(number: tag >> 3, type: tag & 7, bytes: Array(rest.prefix(Int(count))))
      }
    }
    rest = start
    return nil
  }

  var encoded: [UInt8] {
    var bytes: [UInt8] = []
    func append(_ value: UInt64) {
      var value = value
      while value >= 0x80 {
        bytes.append(UInt8(value & 0x7F) | 0x80)
        value >>= 7
      }
      bytes.append(UInt8(value))
    }
    for field in fields {
      append(field.number << 3 | field.type)
      if field.type == 2 { append(UInt64(field.bytes.count)) }
      bytes += field.bytes
    }
    return bytes + rest
  }

  /// One change: of a field's place, kind or contents, at this level or within a field.
  mutating func mutate(_ mutator: inout Mutator, depth: Int = 0) {
    guard !fields.isEmpty else { return rest = mutator.mutate(Array(rest))[...] }
    // A model has hundreds of pieces and two other fields, which matter as much.
    var index = mutator.below(fields.count)
    if depth == 0, mutator.chance(1, of: 2) { index = max(fields.count - 1 - mutator.below(3), 0) }
    switch mutator.below(10) {
    case 0: fields.remove(at: index)
    case 1: fields.insert(fields[index], at: mutator.below(fields.count + 1))
    case 2: fields.swapAt(index, mutator.below(fields.count))
    case 3: fields[index].number = UInt64(1 + mutator.below(45))
    case 4 where fields[index].type == 0: fields[index].bytes = [UInt8(mutator.below(128))]
    case 5:
      fields.insert(
        Field(number: UInt64(1 + mutator.below(45)), type: 0, bytes: [UInt8(mutator.below(128))]),
        at: mutator.below(fields.count + 1))
    case 6: fields[index].bytes = mutator.mutate(fields[index].bytes)
    default:
      guard fields[index].type == 2, depth < 2 else {
        return fields[index].bytes = mutator.mutate(fields[index].bytes)
      }
      var inner = ProtocolBufferMessage(fields[index].bytes[...])
      inner.mutate(&mutator, depth: depth + 1)
      fields[index].bytes = inner.encoded
    }
  }
}
