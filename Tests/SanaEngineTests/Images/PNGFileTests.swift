import Foundation
import Support
import TestSupport
import Testing

@testable import SanaEngine

@Suite struct PNGFileTests {
  private func image(width: Int, height: Int) -> RGBImage {
    var state: UInt32 = 1
    return RGBImage(
      width: width, height: height,
      pixels: (0..<3 * width * height).map { _ in
        state = state &* 1_664_525 &+ 1_013_904_223
        return UInt8(state >> 24)
      })
  }

  /// The bytes of a picture's file.
  private func encode(
    _ picture: some PictureSource, texts: [(keyword: String, text: String)] = []
  ) throws -> [UInt8] {
    var bytes: [UInt8] = []
    try PNGFile.write(picture, texts: texts) { bytes += $0 }
    return bytes
  }

  @Test(arguments: [(1, 1), (7, 3), (300, 200)])
  func whatIsWrittenIsReadBack(width: Int, height: Int) throws {
    try withTemporaryDirectory { directory in
      let path = directory.path("picture.png")
      let image = image(width: width, height: height)
      try PNGFile.write(image, to: path)
      #expect(try PNGFile.read(path) == image)
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory.url.path).count == 1)
    }
  }

  @Test func remarksStandInTheFileAsInternationalText() throws {
    let settings = #"{"prompt":"a café 🐱","seed":1}"#
    let bytes = try encode(
      image(width: 2, height: 2), texts: [("Software", "sana-run"), ("sana", settings)])
    let chunks = self.chunks(bytes).filter { $0.type == "iTXt" }.map(\.data)
    // Keyword, NUL, not compressed, method 0, empty language, empty translated keyword, text.
    #expect(chunks.contains(Array("sana\0\0\0\0\0".utf8) + Array(settings.utf8)))
    #expect(chunks.contains(Array("Software\0\0\0\0\0sana-run".utf8)))
  }

  private func chunks(_ bytes: [UInt8]) -> [(type: String, data: [UInt8])] {
    var chunks: [(String, [UInt8])] = []
    var position = 8
    while position + 12 <= bytes.count {
      let length = bytes[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
      let type = String(decoding: bytes[position + 4..<position + 8], as: UTF8.self)
      chunks.append((type, Array(bytes[position + 8..<position + 8 + length])))
      position += 12 + length
    }
    return chunks
  }

  /// Two pixels each, written by another program: gray, gray of 16 bits, transparent, with a palette.
  @Test(
    arguments: [
      (
        "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAAAAADRSSBWAAAAC0lEQVR4nGNgOAEAAMsAyWnIw2wAAAAASUVORK5CYII=",
        [0, 0, 0, 200, 200, 200]
      ),
      (
        "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABEAAAAACB2fwVAAAADUlEQVR4nGMQMvnPAAAC5wFGf/uMQgAAAABJRU5ErkJggg==",
        [0x12, 0x12, 0x12, 0xFF, 0xFF, 0xFF]
      ),
      (
        "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAYAAAD0In+KAAAAEUlEQVR4nGNkZGJmYGZmbgAAANUAkaVBWMMAAAAASUVORK5CYII=",
        [1, 2, 3, 4, 5, 6]
      ),
      (
        "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABAQMAAADO7O3JAAAABlBMVEUJCAcBAgOFMsJwAAAAAXRSTlMAQObYZgAAAApJREFUeJxjcAAAAEIAQSk39O8AAAAASUVORK5CYII=",
        [9, 8, 7, 1, 2, 3]
      ),
    ] as [(String, [UInt8])])
  func otherKindsBecomeRGB(base64: String, pixels: [UInt8]) throws {
    try withTemporaryDirectory { directory in
      let path = directory.path("picture.png")
      try #require(Data(base64Encoded: base64)).write(to: URL(filePath: path))
      #expect(try PNGFile.read(path) == RGBImage(width: 2, height: 1, pixels: pixels))
    }
  }

  @Test func damagedFilesAreRefused() throws {
    let bytes = try encode(image(width: 16, height: 16))
    try withTemporaryDirectory { directory in
      let path = directory.path("picture.png")
      #expect(throws: SanaError.self) { try PNGFile.read(path) }
      for length in stride(from: 0, to: bytes.count - 12, by: 13) {
        try Data(bytes.prefix(length)).write(to: URL(filePath: path))
        let error = #expect(throws: SanaError.self) { try PNGFile.read(path) }
        #expect(error?.code == .malformedFile)
      }
      for index in stride(from: 8, to: bytes.count, by: 7) {
        var damaged = bytes
        damaged[index] ^= 0x55
        try Data(damaged).write(to: URL(filePath: path))
        _ = try? PNGFile.read(path)
      }
    }
  }

  @Test func aPictureInAMissingFolderIsAnError() {
    let error = #expect(throws: SanaError.self) {
      try PNGFile.write(image(width: 1, height: 1), to: "/nonexistent/folder/picture.png")
    }
    #expect(error?.code == .fileAccess)
  }

  /// Noise, which hardly becomes smaller, row after row without ever being whole.
  private struct Noise: PictureSource {
    let width: Int
    let height: Int
    /// Asked for before every row.
    var beforeRow: (Int) throws -> Void = { _ in }

    func drawRows(_ onRow: (UnsafeBufferPointer<UInt8>) throws -> Void) throws {
      var random = SplitMix(seed: 3)
      for row in 0..<height {
        try beforeRow(row)
        let levels = (0..<3 * width).map { _ in UInt8.random(in: 0...255, using: &random) }
        try levels.withUnsafeBufferPointer(onRow)
      }
    }
  }

  @Test(arguments: [1, 100, 3000])
  func bytesLeaveAsTheyComeAndNoMoreIsHeldThanIsPlanned(width: Int) throws {
    let height = 600_000 / width
    var last = 0
    let picture = Noise(width: width, height: height) { last = $0 }
    var pieces: [(rows: Int, bytes: Int)] = []
    var bytes: [UInt8] = []
    try PNGFile.write(picture) {
      pieces.append((last, $0.count))
      bytes += $0
    }
    #expect(
      try bytes.withUnsafeBytes { try PNGFile.decode($0, location: nil) } == RGBImage(picture))
    #expect(pieces.count > 5)
    #expect(pieces[0].rows < height / 2)
    #expect(pieces.allSatisfy { $0.bytes <= PNGFile.byteCount(width: width) / 2 })
  }

  private struct Failure: Error {}

  /// Whoever fails, at whatever row.
  @Test(arguments: [0, 1, 150, 299])
  func aPictureThatIsNotFinishedLeavesNothing(row: Int) throws {
    let directory = try TestDirectory()
    let path = directory.path("picture.png")
    func names() throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: directory.url.path)
    }
    #expect(throws: Failure.self) {
      try PNGFile.write(
        Noise(width: 300, height: 300) { if $0 == row { throw Failure() } }, to: path)
    }
    #expect(try names().isEmpty)
    let cancellation = CancellationToken()
    let error = #expect(throws: SanaError.self) {
      try PNGFile.write(
        Noise(width: 300, height: 300) { if $0 == row { cancellation.cancel() } }, to: path,
        cancellation: cancellation)
    }
    #expect(error?.code == .cancelled)
    #expect(try names().isEmpty)
    var pieces = 0
    #expect(throws: Failure.self) {
      try PNGFile.write(Noise(width: 300, height: 300)) { _ in
        pieces += 1
        if pieces == 2 { throw Failure() }
      }
    }
    #expect(pieces == 2)
  }

  /// While rows are made for long, nothing is there that a killed process would leave.
  @Test func theFileIsBegunWithItsFirstBytes() throws {
    let directory = try TestDirectory()
    var before: [Int] = []
    try PNGFile.write(
      Noise(width: 300, height: 300) { _ in
        before.append(
          try FileManager.default.contentsOfDirectory(atPath: directory.url.path).count)
      }, to: directory.path("picture.png"))
    #expect(before.first == 0)
    #expect(before.last == 1)
  }

  @Test func aPictureThatTheFormatCannotHoldIsRefusedBeforeItIsDrawn() {
    for (width, height) in [(1_000_001, 1), (1, 1 << 32), (1 << 40, 1)] {
      let error = #expect(throws: SanaError.self) {
        try PNGFile.write(
          Noise(width: width, height: height) { _ in Issue.record("drawn") }
        ) { _ in }
      }
      #expect(error?.code == .invalidArgument)
    }
  }
}
