import Support
import Testing

@Suite struct SHA256Tests {
  /// Messages and digests of FIPS 180-4's examples, and lengths around the end of a block.
  static let samples: [(message: [UInt8], digest: String)] = [
    ([], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (Array("abc".utf8), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8),
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    (
      [UInt8](repeating: UInt8(ascii: "a"), count: 64),
      "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"
    ),
    (
      [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000),
      "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    ),
  ]

  @Test(arguments: [false, true])
  func digestsAreThoseOfTheStandard(isPortable: Bool) {
    for sample in Self.samples {
      var hash = SHA256(isPortable: isPortable)
      sample.message.withUnsafeBytes { hash.update($0) }
      #expect(hash.finish() == sample.digest)
    }
  }

  @Test func piecesGiveTheDigestOfTheWhole() {
    let message = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 7) }
    var whole = SHA256()
    message.withUnsafeBytes { whole.update($0) }
    let expected = whole.finish()
    for step in [1, 3, 55, 63, 64, 65, 127, 500] {
      var hash = SHA256()
      message.withUnsafeBytes { bytes in
        for begin in stride(from: 0, to: bytes.count, by: step) {
          hash.update(UnsafeRawBufferPointer(rebasing: bytes[begin..<min(begin + step, 1000)]))
        }
      }
      #expect(hash.finish() == expected)
    }
  }
}
