import Foundation
import SanaEngine
import SanaGraph
import Support
import TestSupport
import Testing
import Traces
import WeightFormats

@testable import Calibration

/// Files of statistics that somebody damaged or made up: one true error each.
@Suite struct CalibrationFileTests {
  private let directory: TestDirectory
  private let path: String

  init() throws {
    directory = try TestDirectory()
    path = directory.path("statistics.h5")
    try write(to: path)
  }

  private static let input = CalibrationHeader.Input(
    place: 4, component: .transformer, weights: ["a.weight", "b.weight"], columns: 3, rows: 2,
    seenRows: 9, digest: digest)
  private static let rows: [Float] = [1, 2, 3, 4, 5, 6]
  private static let maxima: [Float] = [7, 8, 9]
  private static let squares: [Float] = [10, 11, 12]
  private static let digest = {
    var hash = SHA256()
    for numbers in [rows, maxima, squares] { numbers.withUnsafeBytes { hash.update($0) } }
    return hash.finish()
  }()

  private func write(
    to path: String, header: MetadataValue? = nil, digest: String? = nil,
    shape: [Int] = [2, 3], _ rows: [Float] = rows, leavingOut left: String = ""
  ) throws {
    let header =
      header
      ?? CalibrationHeader(
        tool: "test", modelDigest: "0", settings: .object([]), inputs: [Self.input]
      ).json
    let writer = try TraceWriter(path: path)
    let text = JSONWriter.write(header)
    var hash = SHA256()
    text.withUnsafeBytes { hash.update($0) }
    if left != "header" {
      try writer.write(TraceArray(shape: [text.count], values: text), to: "header")
      try writer.setAttribute("sha256", digest ?? hash.finish(), of: "header")
    }
    try writer.write(TraceArray(shape: shape, values: rows), to: "products/4/rows")
    if left != "maxima" {
      try writer.write(TraceArray(shape: [3], values: Self.maxima), to: "products/4/maxima")
    }
    try writer.write(TraceArray(shape: [3], values: Self.squares), to: "products/4/mean_squares")
    try writer.finish()
  }

  @Test func whatIsWrittenIsReadBack() throws {
    let file = try CalibrationFile(path: path)
    #expect(file.productCount == 2)
    for weight in ["a.weight", "b.weight"] {
      let sample = try #require(try file.sample(of: weight, in: .transformer))
      #expect(sample.rows == Self.rows && sample.maxima == Self.maxima)
      #expect(sample.meanSquares == Self.squares && sample.seenRows == 9)
    }
    #expect(try file.sample(of: "a.weight", in: .textEncoder) == nil)
    #expect(try file.sample(of: "c.weight", in: .transformer) == nil)
  }

  /// What opening or reading everything says.
  private func failure(_ path: String) -> SanaError? {
    do {
      _ = try CalibrationFile(path: path).sample(of: "a.weight", in: .transformer)
      return nil
    } catch {
      return error as? SanaError
    }
  }

  @Test func aFileThatIsCutShortIsRefused() throws {
    let bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
    for count in stride(from: 0, to: bytes.count, by: 97) {
      let cut = try directory.write(Array(bytes.prefix(count)), to: "cut.h5")
      let error = try #require(failure(cut), "\(count) bytes")
      #expect([.corruptFile, .malformedFile].contains(error.code), "\(count): \(error)")
      #expect(!"\(error)".contains("trace"), "\(count): \(error)")
    }
  }

  /// Wherever a bit is another, the file is refused or says the same.
  @Test func aFileWithOneWrongBitNeverSaysAnythingElse() throws {
    let bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
    var refused = 0
    for place in stride(from: 0, to: bytes.count, by: 13) {
      var damaged = bytes
      damaged[place] ^= 1 << UInt8(place % 8)
      let path = try directory.write(damaged, to: "damaged.h5")
      do {
        let sample = try CalibrationFile(path: path).sample(of: "a.weight", in: .transformer)
        #expect(sample?.rows == Self.rows && sample?.maxima == Self.maxima)
        #expect(sample?.meanSquares == Self.squares)
      } catch {
        refused += 1
        let error = try #require(error as? SanaError)
        #expect(!"\(error)".contains("trace"), "\(place): \(error)")
      }
    }
    #expect(refused > 10)
  }

  @Test func filesOfOtherKindsAreRefusedByWhatTheyAre() throws {
    let text = failure(try directory.write("prompts", to: "text.h5"))
    #expect(text?.code == .malformedFile)
    #expect(text?.remedy.contains("calibrate") == true, "\(String(describing: text))")
    #expect(failure(directory.path("missing.h5"))?.code == .fileAccess)
    try write(to: path, leavingOut: "header")
    let other = failure(path)
    #expect(other?.code == .malformedFile)
    #expect(other?.message == "holds no statistics of a model's inputs")
  }

  @Test func aHeaderThatIsNotWhatWasWrittenIsRefused() throws {
    try write(to: path, digest: String(repeating: "0", count: 64))
    #expect(failure(path)?.code == .corruptFile)
  }

  @Test func anotherVersionIsRefusedByItsNumber() throws {
    try write(
      to: path, header: ["schema": "sana-calibration", "version": 2, "products": []])
    let error = failure(path)
    #expect(error?.code == .unsupported)
    #expect(error?.message.contains("version 2") == true)
  }

  private func header(_ change: (String, MetadataValue)) -> MetadataValue {
    let header = CalibrationHeader(
      tool: "test", modelDigest: "0", settings: .object([]), inputs: [Self.input])
    let product = (header.json["products"]?.arrayValue?.first?.members ?? []).map {
      $0.name == change.0 ? MetadataValue.Member($0.name, change.1) : $0
    }
    return .object(
      (header.json.members ?? []).map {
        $0.name == "products" ? .init("products", .array([.object(product)])) : $0
      })
  }

  @Test(
    arguments: [
      ("place", 5), ("place", -1), ("columns", 4), ("columns", 0), ("columns", .integer(.max)),
      ("rows", 3), ("rows", -1), ("rows", .integer(1 << 60)), ("seen_rows", 1), ("weights", []),
      ("weights", [1]), ("component", "vae"), ("sha256", "0"),
    ] as [(String, MetadataValue)])
  func aListThatDoesNotDescribeTheFileIsRefused(change: (String, MetadataValue)) throws {
    try write(to: path, header: header(change))
    #expect(failure(path)?.code == .corruptFile)
  }

  @Test func numbersThatAreNoneAreRefused() throws {
    let rows: [Float] = [1, 2, .nan, 4, 5, 6]
    var hash = SHA256()
    for numbers in [rows, Self.maxima, Self.squares] {
      numbers.withUnsafeBytes { hash.update($0) }
    }
    try write(to: path, header: header(("sha256", .string(hash.finish()))), rows)
    #expect(failure(path)?.code == .corruptFile)
  }

  @Test func shapesOfOtherRanksAreRefused() throws {
    try write(to: path, shape: [6])
    #expect(failure(path)?.code == .corruptFile)
    try write(to: path, shape: [3, 2])
    #expect(failure(path)?.code == .corruptFile)
    try write(to: path, leavingOut: "maxima")
    #expect(failure(path)?.code == .corruptFile)
  }

  @Test func statisticsOfAnotherModelAreRefused() throws {
    let model = try ModelFile(path: ConvertedModels.make("sana-tiny", in: directory))
    let error = #expect(throws: SanaError.self) {
      try CalibrationFile(path: path).check(fits: model)
    }
    #expect(error?.code == .tensorMismatch)
    #expect(error?.message.contains("another model") == true)
    let renamed = header(("weights", ["proj_out.weight"]))
    try write(to: path, header: renamed)
    let wrongShape = #expect(throws: SanaError.self) {
      try CalibrationFile(path: path).check(fits: model)
    }
    #expect(wrongShape?.message.contains("3 channels") == true, "\(String(describing: wrongShape))")
  }

  @Test func onlyStatisticsAreReplaced() throws {
    try CalibrationFile.checkMayReplace(path)
    try CalibrationFile.checkMayReplace(directory.path("new.h5"))
    try write(to: path, leavingOut: "header")
    #expect(throws: SanaError.self) { try CalibrationFile.checkMayReplace(path) }
  }
}
