import Foundation
import Support
import TestSupport
import Testing
import Traces

@Suite struct TraceFileTests {
  @Test func whatIsWrittenIsReadBack() throws {
    try withTemporaryDirectory { directory in
      let path = directory.path("trace.h5")
      let writer = try TraceWriter(path: path)
      let floats = TraceArray<Float>(shape: [2, 3], values: [1, -2.5, .infinity, 0, 1e-30, 7])
      try writer.write(floats, to: "case_a/text/embeds")
      try writer.write(TraceArray<Int32>(shape: [3], values: [1, -2, .max]), to: "case_a/ids")
      try writer.write(TraceArray<UInt8>(shape: [2, 1], values: [0, 255]), to: "case_a/image")
      try writer.write(TraceArray<Float>(shape: [], values: [4.5]), to: "scalar")
      try writer.write(TraceArray<Float>(shape: [2, 0], values: []), to: "empty")
      try writer.createGroup("case_b/dpm2")
      try writer.setAttribute("prompt", "a caf\u{e9} \u{1F431}\n", of: "case_b")
      try writer.setAttribute("format", "", of: "")
      #expect(!FileManager.default.fileExists(atPath: path))
      try writer.finish()

      let trace = try TraceFile(path: path)
      let read = try trace.floats("case_a/text/embeds")
      #expect(read.shape == [2, 3] && read.values == floats.values)
      #expect(read[1].shape == [3] && read[1].values == [0, 1e-30, 7])
      #expect(try trace.int32("case_a/ids").values == [1, -2, .max])
      #expect(try trace.int64("case_a/ids").values == [1, -2, Int64(Int32.max)])
      #expect(try trace.uint8("case_a/image").values == [0, 255])
      #expect(try trace.floats("scalar").shape == [])
      #expect(try trace.floats("empty").shape == [2, 0])
      #expect(try trace.string("prompt", of: "case_b") == "a caf\u{e9} \u{1F431}\n")
      #expect(try trace.string("format") == "")
      #expect(try trace.hasAttribute("prompt", of: "case_b"))
      #expect(try !trace.hasAttribute("prompt"))
      #expect(trace.contains("case_a/text") && !trace.contains("case_c/text"))
      #expect(
        try trace.entries().map(\.name) == ["case_a", "case_b", "empty", "scalar"])
      #expect(try trace.entries(of: "case_a").map(\.kind) == [.dataset, .dataset, .group])
    }
  }

  @Test func anUnfinishedFileIsNeverLeftBehind() throws {
    try withTemporaryDirectory { directory in
      do {
        let writer = try TraceWriter(path: directory.path("trace.h5"))
        try writer.write(TraceArray<UInt8>(shape: [1], values: [1]), to: "value")
        _ = consume writer
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory.url.path).isEmpty)
    }
  }

  private func writeSmallTrace(to path: String) throws {
    let writer = try TraceWriter(path: path)
    try writer.write(TraceArray<Int32>(shape: [1], values: [1]), to: "group/ids")
    try writer.setAttribute("name", "x", of: "group")
    try writer.finish()
  }

  private func expectFailure(
    _ path: String, _ code: SanaError.Code, naming dataset: String, _ body: () throws -> Void
  ) {
    let error = #expect(throws: SanaError.self, performing: body)
    #expect(error?.code == code)
    #expect(error?.location == path)
    #expect(error?.message.contains(dataset) == true)
  }

  @Test func failuresOfReadingNameFileAndDataset() throws {
    try withTemporaryDirectory { directory in
      let path = directory.path("trace.h5")
      try writeSmallTrace(to: path)
      let trace = try TraceFile(path: path)
      expectFailure(path, .tensorMismatch, naming: "group/nothing") {
        _ = try trace.floats("group/nothing")
      }
      expectFailure(path, .tensorMismatch, naming: "group/ids") {
        _ = try trace.floats("group/ids")
      }
      expectFailure(path, .tensorMismatch, naming: "group/ids") {
        _ = try trace.uint8("group/ids")
      }
      expectFailure(path, .tensorMismatch, naming: "group") { _ = try trace.floats("group") }
      expectFailure(path, .tensorMismatch, naming: "group/ids") {
        _ = try trace.entries(of: "group/ids")
      }
      expectFailure(path, .tensorMismatch, naming: "nothing") {
        _ = try trace.string("nothing", of: "group")
      }
      expectFailure(path, .tensorMismatch, naming: "name") {
        _ = try trace.number("name", of: "group")
      }
    }
  }

  @Test func failuresOfWritingNameFileAndDataset() throws {
    try withTemporaryDirectory { directory in
      let path = directory.path("trace.h5")
      expectFailure(path, .fileAccess, naming: "value") {
        let writer = try TraceWriter(path: path)
        try writer.write(TraceArray<Int32>(shape: [1], values: [1]), to: "value")
        try writer.write(TraceArray<Int32>(shape: [1], values: [1]), to: "value")
      }
    }
  }

  @Test func aDatasetLargerThanTheLimitIsNotRead() throws {
    try withTemporaryDirectory { directory in
      let path = directory.path("trace.h5")
      let writer = try TraceWriter(path: path)
      try writer.write(
        TraceArray<Float>(shape: [26], values: Array(repeating: 0, count: 26)), to: "wide")
      try writer.finish()
      let trace = try TraceFile(path: path, maximumByteCount: 100)
      let error = #expect(throws: SanaError.self) { try trace.floats("wide") }
      #expect(error?.code == .malformedFile)
      #expect(try trace.shape("wide") == [26])
    }
  }

  @Test func filesThatAreNoTracesAreRefused() throws {
    try withTemporaryDirectory { directory in
      let path = directory.path("text.h5")
      let missing = #expect(throws: SanaError.self) { try TraceFile(path: path) }
      #expect(missing?.code == .fileAccess)
      try Data("not hdf5".utf8).write(to: URL(filePath: path))
      let malformed = #expect(throws: SanaError.self) { try TraceFile(path: path) }
      #expect(malformed?.code == .malformedFile)
    }
  }

  /// A copy of a fixture, `edit`ed.
  private func edited(
    _ name: String, in directory: TestDirectory, _ edit: (inout Data) throws -> Void
  ) throws -> String {
    var bytes = try Data(contentsOf: Fixtures.directory.appending(path: "traces/\(name).h5"))
    try edit(&bytes)
    let path = directory.url.appending(path: "\(name).h5")
    try bytes.write(to: path)
    return path.path
  }

  private func replace(_ old: [UInt8], by new: [UInt8], in bytes: inout Data) -> Int {
    var count = 0
    while let range = bytes.range(of: Data(old)) {
      bytes.replaceSubrange(range, with: new)
      count += 1
    }
    return count
  }

  /// A filter message holds number and name: here gzip's, turned into one that no library has.
  @Test func aFilterThatTheLibraryLacksIsNamed() throws {
    try withTemporaryDirectory { directory in
      let path = try edited("sequence-lengths", in: directory) { bytes in
        let count = replace(
          [1, 0, 8, 0, 1, 0, 1, 0] + Array("deflate\0".utf8),
          by: [0x33, 0x7F, 8, 0, 1, 0, 1, 0] + Array("squeeze\0".utf8), in: &bytes)
        try #require(count > 3)
      }
      let trace = try TraceFile(path: path)
      let error = #expect(throws: SanaError.self) {
        _ = try trace.floats("case_40/text/prompt_embeds")
      }
      #expect(error?.code == .unsupported)
      #expect(error?.message.contains("the HDF5 filter 'squeeze' (number 32563)") == true)
      #expect(error?.message.contains("case_40/text/prompt_embeds") == true)
      #expect(error?.location == path)
    }
  }

  @Test func aVersionThatTheLibraryDoesNotKnowIsNotCalledDamage() throws {
    try withTemporaryDirectory { directory in
      let path = try edited("sequence-lengths", in: directory) { $0[8] = 7 }
      let error = #expect(throws: SanaError.self) { try TraceFile(path: path) }
      #expect(error?.code == .unsupported)
      #expect(error?.message.contains("of version 7") == true)
    }
  }

  /// The message that says where a dataset's chunks are: version 3, class 2 (chunked).
  @Test func aDatasetOfAnUnknownVersionIsNotCalledDamageEither() throws {
    try withTemporaryDirectory { directory in
      let path = try edited("sequence-lengths", in: directory) { bytes in
        // Four dimensions: three of the dataset, and that of the element's bytes.
        try #require(replace([3, 2, 4], by: [9, 2, 4], in: &bytes) > 0)
      }
      let error = #expect(throws: SanaError.self) {
        _ = try TraceFile(path: path).floats("case_40/text/prompt_embeds")
      }
      #expect(error?.code == .unsupported, "\(error.map { "\($0)" } ?? "")")
      #expect(error?.message.contains("case_40/text/prompt_embeds") == true)
    }
  }

  @Test func aFileThatIsCutShortIsCalledSo() throws {
    try withTemporaryDirectory { directory in
      var whole = 0
      let path = try edited("sequence-lengths", in: directory) { bytes in
        whole = bytes.count
        bytes = bytes.prefix(whole / 2)
      }
      let error = #expect(throws: SanaError.self) { try TraceFile(path: path) }
      #expect(error?.code == .corruptFile)
      #expect(error?.message == "is cut short: \(whole / 2) of \(whole) bytes are there")
    }
  }

  @Test func damagedFilesFailWithoutCrashing() throws {
    try withTemporaryDirectory { directory in
      let path = directory.path("trace.h5")
      let writer = try TraceWriter(path: path)
      for index in 0..<8 {
        try writer.write(
          TraceArray<Float>(shape: [16], values: Array(repeating: 1, count: 16)),
          to: "group\(index)/value")
      }
      try writer.finish()
      let whole = try Data(contentsOf: URL(filePath: path))
      for length in stride(from: 0, to: whole.count, by: 97) {
        try whole.prefix(length).write(to: URL(filePath: path))
        #expect(throws: SanaError.self) {
          let trace = try TraceFile(path: path)
          for index in 0..<8 { _ = try trace.floats("group\(index)/value") }
        }
      }
    }
  }
}
