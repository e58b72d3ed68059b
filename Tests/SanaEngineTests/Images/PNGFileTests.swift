import Foundation
import SanaEngine
import SanaGraph
import TestSupport
import Testing
import WeightFormats

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

  @Test(arguments: [(1, 1), (7, 3), (300, 200)])
  func whatIsWrittenIsReadBack(width: Int, height: Int) throws {
    try withTemporaryDirectory { directory in
      let path = directory.appending(path: "picture.png").path
      let image = image(width: width, height: height)
      try PNGFile.write(image, to: path)
      #expect(try PNGFile.read(path) == image)
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).count == 1)
    }
  }

  @Test func remarksStandInTheFileAsInternationalText() throws {
    let settings = #"{"prompt":"a café 🐱","seed":1}"#
    let bytes = try PNGFile.encode(
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
      let path = directory.appending(path: "picture.png").path
      try #require(Data(base64Encoded: base64)).write(to: URL(filePath: path))
      #expect(try PNGFile.read(path) == RGBImage(width: 2, height: 1, pixels: pixels))
    }
  }

  @Test func damagedFilesAreRefused() throws {
    let bytes = try PNGFile.encode(image(width: 16, height: 16), texts: [])
    try withTemporaryDirectory { directory in
      let path = directory.appending(path: "picture.png").path
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
}
