import Foundation
import TestSupport

/// Every attack with the error it must give. `PickleAttackTests` and `ContainerRefusalTests` hold what is one of a long series.
enum AttackTable {
  static let attacks = safetensors + torch + zip + container + json

  // MARK: - safetensors

  private static func tensors(_ header: String, data: Int = 0, announced: UInt64? = nil) -> [UInt8]
  {
    [UInt8].little(announced ?? UInt64(header.utf8.count)) + Array(header.utf8)
      + [UInt8](repeating: 7, count: data)
  }

  private static func tensor(_ shape: String, _ begin: String, _ end: String) -> String {
    #"{"a":{"dtype":"F32","shape":[\#(shape)],"data_offsets":[\#(begin),\#(end)]}}"#
  }

  private static let safetensors: [Attack] = [
    Attack(.safetensors, "a header that ends early", .malformedFile, "but holds only 2 more") {
      tensors("{}", announced: 3)
    },
    Attack(
      .safetensors, "a header of 16 EiB", .malformedFile,
      "announces a header of 18446744073709551615 bytes, more than the 100000000 allowed"
    ) { tensors("{}", announced: .max) },
    Attack(.safetensors, "a header of nothing", .malformedFile, "is not a JSON object") {
      tensors("", announced: 0)
    },
    Attack(
      .safetensors, "a shape whose product overflows", .malformedFile,
      "has a tensor 'a' whose shape is too large"
    ) { tensors(tensor("4611686018427387904,4", "0", "4"), data: 4) },
    Attack(
      .safetensors, "a shape that a zero hides", .malformedFile,
      "has a tensor 'a' whose shape is too large"
    ) { tensors(tensor("0,1099511627777", "0", "0")) },
    Attack(.safetensors, "a negative size", .malformedFile, "something else than sizes") {
      tensors(tensor("-1", "0", "4"), data: 4)
    },
    Attack(.safetensors, "a size that is no number", .malformedFile, "this is no number") {
      tensors(tensor("NaN", "0", "4"), data: 4)
    },
    Attack(.safetensors, "a size of 1e0", .malformedFile, "something else than sizes") {
      tensors(tensor("1e0", "0", "4"), data: 4)
    },
    Attack(.safetensors, "1000 axes", .malformedFile, "whose shape is too large") {
      tensors(
        tensor(Array(repeating: "1", count: 1000).joined(separator: ","), "0", "4"), data: 4)
    },
    Attack(
      .safetensors, "an end that wraps around", .malformedFile,
      "at bytes 0 to 9223372036854775807 of a data section of 4 bytes"
    ) { tensors(tensor("1", "0", "9223372036854775807"), data: 4) },
    Attack(.safetensors, "a beginning behind its end", .malformedFile, "at bytes 4 to 0") {
      tensors(tensor("1", "4", "0"), data: 4)
    },
    Attack(.safetensors, "two tensors in one place", .malformedFile, "'b' that overlaps") {
      tensors(
        #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#,
        data: 4)
    },
    Attack(.safetensors, "bytes that no tensor owns", .malformedFile, "has 8 bytes after") {
      tensors(tensor("1", "0", "4"), data: 12)
    },
    Attack(.safetensors, "a hole", .malformedFile, "has a hole of 4 bytes before the tensor 'a'") {
      tensors(tensor("1", "4", "8"), data: 8)
    },
    Attack(.safetensors, "a tensor twice", .malformedFile, #"the name "a" occurs twice"#) {
      tensors(
        #"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#
      )
    },
    Attack(.safetensors, "a name that is not UTF-8", .malformedFile, "not valid UTF-8") {
      var bytes = tensors(tensor("1", "0", "4"), data: 4)
      bytes[10] = 0xFF
      return bytes
    },
    Attack(.safetensors, "nesting", .malformedFile, "the nesting is too deep") {
      tensors(#"{"a":{"shape":\#(String(repeating: "[", count: 100_000))"#)
    },
  ]

  // MARK: - Torch files

  private static func pickled(_ body: (inout PickleSample) -> Void) -> [UInt8] {
    TorchSample.file(PickleSample.of(body), storages: [[1, 2, 3, 4]])
  }

  /// A dictionary of one tensor.
  private static func dictionary(
    _ shape: [Int], storage: String = "ByteStorage", key: String = "0", count: Int = 4,
    offset: Int = 0
  ) -> [UInt8] {
    pickled {
      $0.code(0x7D)
      $0.string("t")
      $0.tensor(shape, storage: storage, key: key, count: count, offset: offset)
      $0.code(0x73)
    }
  }

  private static let torch: [Attack] = [
    Attack(.torch, "os.system", .unsupported, "holds an object of 'os.system', not a dictionary") {
      pickled {
        $0.global("os", "system")
        $0.string("id")
        $0.code(0x85, 0x52)
      }
    },
    Attack(
      .torch, "eval as one of the tensors", .unsupported,
      "holds an object of 'builtins.eval' as 'u'"
    ) {
      pickled {
        $0.code(0x7D)
        $0.string("t")
        $0.tensor([4], storage: "ByteStorage", key: "0", count: 4)
        $0.code(0x73)
        $0.string("u")
        $0.global("builtins", "eval")
        $0.string("1")
        $0.code(0x85, 0x52, 0x73)
      }
    },
    Attack(.torch, "an instance (INST)", .unsupported, "holds an object of 'os.system', not a") {
      pickled {
        $0.code(0x28)
        $0.code(0x69)
        for byte in "os\nsystem\n".utf8 { $0.code(byte) }
      }
    },
    Attack(.torch, "an object (OBJ)", .malformedFile, "makes an object of nothing") {
      pickled { $0.code(0x28, 0x6F) }
    },
    Attack(.torch, "a new object (NEWOBJ_EX)", .unsupported, "holds an object of 'NoneType', not a")
    {
      pickled { $0.code(0x4E, 0x4E, 0x4E, 0x92) }
    },
    Attack(.torch, "a state that is set (BUILD)", .unsupported, "holds an object of 'list', not a")
    {
      pickled { $0.code(0x5D, 0x7D, 0x62) }
    },
    Attack(.torch, "a persistent name", .unsupported, "holds an object of 'x', not a dictionary") {
      pickled { $0.code(0x50, 0x78, 0x0A) }
    },
    Attack(.torch, "a buffer outside of the file", .unsupported, "uses the instruction NEXT_BUFFER")
    {
      pickled { $0.code(0x97) }
    },
    Attack(.torch, "bytes longer than the file", .malformedFile, "ends inside a value") {
      pickled { $0.code(0x42, 255, 255, 255, 255) }
    },
    Attack(
      .torch, "a persistent identifier of another kind", .malformedFile,
      "refers to a storage in an unknown way"
    ) {
      pickled {
        $0.string("/etc/passwd")
        $0.code(0x51)
      }
    },
    Attack(.torch, "a storage of the parent folder", .malformedFile, "lacks the numbers of") {
      dictionary([4], key: "../../data.pkl")
    },
    Attack(.torch, "a storage that is not there", .malformedFile, "lacks the numbers of") {
      dictionary([4], key: "7")
    },
    Attack(.torch, "a storage of another size", .malformedFile, "has 4 bytes for 1099511627776") {
      dictionary([4], count: 1 << 40)
    },
    Attack(.torch, "a tensor behind its storage", .malformedFile, "reaches beyond its storage") {
      dictionary([4], offset: 1)
    },
    Attack(.torch, "a tensor whose size overflows", .malformedFile, "that is too large") {
      dictionary([1 << 40, 1 << 40])
    },
    Attack(.torch, "a negative size", .malformedFile, "else than a storage and sizes") {
      dictionary([-4])
    },
    Attack(.torch, "a list that is no dictionary", .unsupported, "holds a list, not a dictionary") {
      pickled { $0.code(0x5D) }
    },
    Attack(.torch, "a name that is not UTF-8", .malformedFile, "a string that is not UTF-8") {
      pickled { $0.code(0x7D, 0x8C, 1, 0xFF, 0x4E, 0x73) }
    },
    Attack(.torch, "a million values at once", .malformedFile, "holds too many values at once") {
      TorchSample.file([0x80, 2] + [UInt8](repeating: 0x4E, count: 1 << 20 + 1) + [0x2E])
    },
    Attack(.torch, "big-endian numbers", .unsupported, "most significant byte comes first") {
      ZipSample.archive([
        .init("x/data.pkl", PickleSample.of { $0.code(0x7D) }),
        .init("x/byteorder", Array("big".utf8)),
      ])
    },
  ]

  // MARK: - Zip archives

  private static func archive(_ change: (inout [UInt8], _ directory: Int, _ end: Int) -> Void)
    -> [UInt8]
  {
    var bytes = TorchSample.file(PickleSample.of { $0.code(0x7D) }, storages: [[1, 2, 3, 4]])
    let end = bytes.count - 22
    let directory = (0..<4).reduce(0) { $0 | Int(bytes[end + 16 + $1]) << (8 * $1) }
    change(&bytes, directory, end)
    return bytes
  }

  private static func set(_ bytes: inout [UInt8], _ at: Int, _ value: some FixedWidthInteger) {
    let field = [UInt8].little(value)
    bytes.replaceSubrange(at..<at + field.count, with: field)
  }

  private static let zip: [Attack] = [
    Attack(.torch, "an archive without an end", .malformedFile, "its end is missing") {
      archive { bytes, _, _ in bytes.removeLast(22) }
    },
    Attack(.torch, "bytes behind the end", .malformedFile, "its end is missing") {
      archive { bytes, _, _ in bytes.append(0) }
    },
    Attack(.torch, "an entry twice", .malformedFile, "holds two entries 'x/data.pkl'") {
      let entry = ZipSample.Entry("x/data.pkl", PickleSample.of { $0.code(0x7D) })
      return ZipSample.archive([entry, entry])
    },
    Attack(.torch, "65535 entries", .malformedFile, "promises 65535 entries") {
      archive { bytes, _, end in set(&bytes, end + 10, UInt16.max) }
    },
    Attack(.torch, "a table behind the file", .malformedFile, "points outside itself") {
      archive { bytes, _, end in set(&bytes, end + 16, UInt32.max) }
    },
    Attack(.torch, "an entry behind the file", .malformedFile, "points outside itself") {
      archive { bytes, directory, _ in set(&bytes, directory + 42, UInt32.max - 1) }
    },
    Attack(.torch, "an entry that overlaps another", .malformedFile, "that overlaps another") {
      archive { bytes, directory, _ in
        for field in [20, 24] { set(&bytes, directory + field, UInt32(60)) }
      }
    },
    Attack(
      .torch, "another name in its own place", .malformedFile,
      "gives the entry 'x/data.pkl' another name in its own place"
    ) { archive { bytes, _, _ in bytes[30] = UInt8(ascii: "y") } },
    Attack(.torch, "two sizes of one entry", .malformedFile, "of two different sizes") {
      archive { bytes, directory, _ in set(&bytes, directory + 24, UInt32(3)) }
    },
    Attack(.torch, "a compressed entry", .unsupported, "is a compressed zip archive") {
      archive { bytes, directory, _ in set(&bytes, directory + 10, UInt16(8)) }
    },
    Attack(.torch, "an encrypted entry", .unsupported, "is an encrypted zip archive") {
      archive { bytes, directory, _ in set(&bytes, directory + 8, UInt16(1)) }
    },
    Attack(.torch, "a part of an archive", .unsupported, "one part of a zip archive in several") {
      archive { bytes, _, end in set(&bytes, end + 4, UInt16(1)) }
    },
    Attack(.torch, "a zip64 record elsewhere", .malformedFile, "points outside itself") {
      var bytes = TorchSample.file(PickleSample.of { $0.code(0x7D) }, isZip64: true)
      set(&bytes, bytes.count - 22 - 12, UInt64.max)
      return bytes
    },
    Attack(.torch, "zip64 counts that lie", .malformedFile, "more than it can hold") {
      var bytes = TorchSample.file(PickleSample.of { $0.code(0x7D) }, isZip64: true)
      set(&bytes, bytes.count - 22 - 20 - 56 + 32, UInt64.max)
      return bytes
    },
    Attack(.torch, "numbers that were changed", .corruptFile, "checksum of 'x/data.pkl' is wrong") {
      archive { bytes, _, _ in bytes[42] ^= 1 }
    },
  ]

  // MARK: - .sana files

  private static func handmade(_ change: (inout HandmadeContainer) -> Void) -> [UInt8] {
    var container = HandmadeContainer()
    change(&container)
    return Array(container.bytes)
  }

  private static let container: [Attack] = [
    Attack(.container, "half a file", .corruptFile, "is incomplete") {
      let bytes = handmade { _ in }
      return Array(bytes.prefix(bytes.count / 2))
    },
    Attack(.container, "a directory behind the file", .malformedFile, "where the footer begins") {
      handmade { $0.directoryOffset = 1 << 60 }
    },
    Attack(.container, "a hole before the directory", .malformedFile, "does not follow its tensors")
    {
      handmade {
        $0.holeBeforeDirectory = 64
      }
    },
    Attack(.container, "a plane that wraps around", .malformedFile, "does not follow") {
      handmade { $0.tensors[0].planes[0].offset = .max - 63 }
    },
    Attack(.container, "a bomb of 1 TiB", .malformedFile, "claims to hold 16777216 bytes in 3") {
      handmade {
        $0.features = 1
        $0.tensors[0].shape = [1 << 38]
        $0.tensors[0].planes = [
          .init(
            chunks: [.init(stored: [0, 1, 2], rawByteCount: 16 << 20, codec: 1)], alignment: 4096)
        ]
      }
    },
    Attack(.container, "4 billion chunks", .malformedFile, "promises 4294967295 chunks of 'w'") {
      handmade { $0.tensors[0].planes[0].chunkCount = .max }
    },
    Attack(.container, "a shape that overflows", .malformedFile, "has too many elements") {
      handmade { $0.tensors[0].shape = [1 << 62, 1 << 62] }
    },
    Attack(.container, "a shape that a zero hides", .malformedFile, "has too many elements") {
      handmade { $0.tensors[0].shape = [0, .max] }
    },
    Attack(.container, "nested metadata", .malformedFile, "nested deeper than 32") {
      handmade {
        $0.metadata = (0..<10_000).flatMap { _ in [7, 1, 0, 0, 0] as [UInt8] } + [0]
      }
    },
    Attack(.container, "a block that is no LZ4", .corruptFile, "is not what was written") {
      handmade {
        $0.features = 1
        $0.tensors[0].planes[0].chunks = [
          .init(stored: [UInt8](repeating: 0xFF, count: 20), rawByteCount: 24, codec: 1)
        ]
      }
    },
    Attack(.container, "words between the planes", .corruptFile, "are not zero") {
      handmade { $0.padding = 1 }
    },
    Attack(.container, "a name that is not UTF-8", .malformedFile, "not UTF-8") {
      handmade { $0.tensors[0].name = [0xC3, 0x28] }
    },
  ]

  // MARK: - JSON

  private static let json: [Attack] = [
    Attack(.json, "a million brackets", .malformedFile, "the nesting is too deep (line 1") {
      [UInt8](repeating: UInt8(ascii: "["), count: 1 << 20)
    },
    Attack(.json, "a name twice by escapes", .malformedFile, #"the name "a" occurs twice"#) {
      Array(#"{"a":1,"\u0061":2}"#.utf8)
    },
    Attack(.json, "half a surrogate", .malformedFile, "half a surrogate pair stands alone") {
      Array(#""\ud800""#.utf8)
    },
    Attack(.json, "a number beyond all", .malformedFile, "the number is too large") {
      Array("1e999999999".utf8)
    },
    Attack(.json, "bytes that are not UTF-8", .malformedFile, "the string is not valid UTF-8") {
      [0x22, 0xC0, 0x80, 0x22]
    },
    Attack(.json, "NaN", .malformedFile, "this is no number") { Array("NaN".utf8) },
    Attack(.json, "a text that ends in an escape", .malformedFile, "ends inside a string") {
      Array("\"\\".utf8)
    },
  ]
}
