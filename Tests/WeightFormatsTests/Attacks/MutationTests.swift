import Support
import TestSupport
import Testing
import WeightFormats

/// Random damage, the same in every run: the answer is an error, or something that is consistent. `Fuzzing` looks further.
@Suite struct MutationTests {
  private static func mutate(_ bytes: [UInt8], _ random: inout SplitMix) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
      let at = Int.random(in: bytes.indices, using: &random)
      switch Int.random(in: 0..<6, using: &random) {
      case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 1: bytes[at] = Array("{}[]\",:-0123456789.eE\\u".utf8).randomElement(using: &random) ?? 0
      case 2: bytes.remove(at: at)
      case 3: bytes.insert(bytes[at], at: at)
      case 4: bytes.insert(contentsOf: bytes[at..<min(at + 12, bytes.count)], at: at)
      default: bytes.removeSubrange(at..<min(at + 5, bytes.count))
      }
    }
    return bytes
  }

  @Test func safetensorsHeaders() throws {
    let header = Array(
      #"{"__metadata__":{"format":"pt"},"b":{"dtype":"U8","shape":[3],"data_offsets":[4,7]},"a":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]}}"#
        .utf8)
    var random = SplitMix(seed: 3)
    var opened = 0
    for _ in 0..<5000 {
      let changed = Self.mutate(header, &random)
      let contents = [UInt8].little(UInt64(changed.count)) + changed + [1, 2, 3, 4, 5, 6, 7]
      let file = MappedFile(contents: contents, path: "mutation")
      do {
        let file = try SafetensorsFile(file)
        opened += 1
        for tensor in file.tensors {
          let bytes = try #require(file.bytes(of: tensor.name))
          #expect(bytes.bytes.count == tensor.byteCount)
        }
        #expect(file.tensors.reduce(0) { $0 + $1.byteCount } == 7)
      } catch is SanaError {}
    }
    #expect((1..<5000).contains(opened))
  }

  @Test func jsonTexts() throws {
    let text = Array(
      #"{"a":[null,true,false,-0.5e-3,12,"\u00e9\ud83d\ude00\n é€"],"b":{"c":{},"d":[[]]},"e":-1}"#
        .utf8)
    var random = SplitMix(seed: 4)
    var parsed = 0
    for _ in 0..<5000 {
      let changed = Self.mutate(text, &random)
      do {
        let value = try changed.withUnsafeBytes { try JSONParser.parse($0, location: "mutation") }
        parsed += 1
        let again = try JSONWriter.write(value).withUnsafeBytes {
          try JSONParser.parse($0, location: "again")
        }
        #expect(again == value)
      } catch let error as SanaError {
        #expect(error.location == "mutation")
      }
    }
    #expect((1..<5000).contains(parsed))
  }
}
