import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

/// `Tools/read_sana.py` and the toolchain read the same numbers.
@Suite(
  .enabled(
    if: (try? Tool.shell("python3 -c 'import numpy'").status) == 0,
    "python3 with numpy is not installed"))
struct IndependentReaderTests {
  private static let script =
    Fixtures.directory.deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Tools/read_sana.py").path

  /// The data of a `.npy` file, behind its header.
  private static func numbers(_ url: URL) throws -> [UInt8] {
    let bytes = try Array(Data(contentsOf: url))
    try #require(bytes.count >= 10)
    return Array(bytes.dropFirst(10 + Int(bytes[8]) + Int(bytes[9]) << 8))
  }

  /// What the tensor stands for, by the toolchain: bf16 widened to f32, codes times scales.
  private static func expected(_ tensor: StoredTensor) throws -> [UInt8] {
    let description = tensor.description
    if description.encoding == .bf16 {
      return stride(from: 0, to: tensor.values.bytes.count, by: 2).flatMap {
        [0, 0, tensor.values.bytes[$0], tensor.values.bytes[$0 + 1]]
      }
    }
    guard let scales = tensor.scales else { return tensor.values.array }
    let elements = scales.bytes.withMemoryRebound(to: Float.self) {
      description.decode(tensor.values, scales: $0, rows: description.rows)
    }
    return try #require(elements).bytes.array
  }

  /// Scales that are numbers: random bits would make NaNs, whose bits processors choose differently.
  private static var tensors: [StoredTensor] {
    (ContainerSamples.everyEncoding + [
      ContainerSamples.tensor("chunks", [2300, 1000], .int8PerChannel),
      ContainerSamples.tensor("smooth chunks", [2300, 500], .bf16, content: .constant),
    ]).map { tensor in
      guard tensor.scales != nil else { return tensor }
      let scales = (0..<tensor.description.scaleCount).map { Float($0 + 1) / 64 }
      return StoredTensor(
        description: tensor.description, values: tensor.values,
        scales: TensorBytes(byteCount: scales.count * 4) { memory in
          scales.withUnsafeBytes { memory.copyMemory(from: $0) }
        })
    }
  }

  /// With its packages, and with plain Python in their place.
  @Test(arguments: ["", "sys.modules['lz4'] = sys.modules['xxhash'] = None; "])
  func everyEncodingReadsTheSame(_ preparation: String) throws {
    let tensors = Self.tensors
    try ContainerSamples.withFile(tensors) { path in
      let folder = URL(filePath: path).deletingLastPathComponent()
      let program =
        "import runpy, sys; \(preparation)sys.argv = sys.argv[1:]; "
        + "runpy.run_path(sys.argv[0], run_name='__main__')"
      func run(_ arguments: String) throws -> Tool.Outcome {
        try Tool.shell("python3 -c \"\(program)\" '\(Self.script)' \(arguments)")
      }
      let check = try run("check '\(path)'")
      #expect(check.status == 0, "\(check.error)")
      let dump = try run("dump '\(path)' '\(folder.path)'")
      #expect(dump.status == 0, "\(dump.error)")
      let source = try ModelFile(path: path).source(for: .transformer)
      for (number, tensor) in tensors.enumerated() {
        let read = try Self.numbers(folder.appending(path: "\(number).npy"))
        let loaded = try source.load(tensor.description.name)
        #expect(try read == Self.expected(loaded), "\(tensor.description.name)")
      }

      var damaged = try Data(contentsOf: URL(filePath: path))
      damaged[64] ^= 1
      try damaged.write(to: URL(filePath: path))
      #expect(try run("check '\(path)'").status != 0)
    }
  }

  /// Weights that are stored for a transformed input are read as those of the input as it is.
  @Test func transformationsOfTheInputAreUndone() throws {
    let weight = TensorDescription(
      name: "w", shape: [5, 96], encoding: .int8PerChannel,
      activations: ActivationEncoding(planes: 2, hasFactors: true, rotation: 32))
    let codes = (0..<480).map { UInt8(truncatingIfNeeded: $0 * 37 % 255 - 127) }
    let scales: [Float] = [0.5, 1, 0.125, 3, 0.01]
    let tensors = [
      StoredTensor(
        description: weight, values: TensorBytes(byteCount: 480) { $0.copyBytes(from: codes) },
        scales: TensorBytes(byteCount: 20) { memory in
          scales.withUnsafeBytes { memory.copyMemory(from: $0) }
        }),
      StoredTensor(
        InputFactors.description(of: weight), floats: (0..<96).map { 0.1 + Float($0) / 7 }),
    ]
    try ContainerSamples.withFile(tensors) { path in
      let folder = URL(filePath: path).deletingLastPathComponent()
      let dump = try Tool.shell("python3 '\(Self.script)' dump '\(path)' '\(folder.path)'")
      #expect(dump.status == 0, "\(dump.error)")
      let stored = StoredRows(of: weight, count: 5)
      try stored.read(0..<5, from: ModelFile(path: path).source(for: .transformer))
      var numbers = [Float](repeating: 0, count: 480)
      numbers.withUnsafeMutableBufferPointer {
        stored.decode(0..<5, into: $0, scratch: ScratchBuffer())
      }
      let read = try Self.numbers(folder.appending(path: "0.npy"))
      #expect(read == numbers.withUnsafeBytes(Array.init))
      #expect(Set(numbers).count > 300)
    }
  }

  @Test func factorsThatAreNotThereAreMissed() throws {
    let weight = TensorDescription(
      name: "w", shape: [2, 8], encoding: .f32,
      activations: ActivationEncoding(planes: 1, hasFactors: true))
    let tensor = StoredTensor(description: weight, values: TensorBytes(byteCount: 64) { _ in })
    #expect(throws: SanaError.self) {
      try ContainerSamples.withFile([tensor]) { path in _ = try ModelFile(path: path) }
    }
  }

  private static func failure(_ body: () throws -> Void) -> (any Error)? {
    do { try body() } catch { return error }
    return nil
  }

  /// Reads files with both readers; the second gets them all at once.
  private func expectSameVerdicts(
    _ files: [(name: String, isAccepted: Bool?, bytes: [UInt8])], preparation: String
  ) throws {
    try withTemporaryDirectory { directory in
      for (number, file) in files.enumerated() {
        try Data(file.bytes).write(to: directory.url.appending(path: "\(number).sana"))
      }
      let program = """
        import runpy, sys; \(preparation)
        reader = runpy.run_path(sys.argv[1])
        for number in range(\(files.count)):
            try:
                reader['SanaFile'](f'{sys.argv[2]}/{number}.sana').check()
                print('accepted')
            except (reader['Refused'], IndexError) as error:
                print('refused', ascii(str(error)))
        """
      let path = directory.url.appending(path: "verdicts.py")
      try program.write(to: path, atomically: true, encoding: .utf8)
      let outcome = try Tool.shell(
        "python3 '\(path.path)' '\(Self.script)' '\(directory.url.path)'")
      #expect(outcome.status == 0, "\(outcome.error)")
      let lines = outcome.output.split(separator: "\n")
      try #require(lines.count == files.count)
      for (number, file) in files.enumerated() {
        let failure = Self.failure {
          try ModelFile(path: directory.path("\(number).sana")).verify()
        }
        let label = "\(file.name): \(lines[number]), \(failure.map { "\($0)" } ?? "accepted")"
        #expect(lines[number].hasPrefix("accepted") == (failure == nil), "\(label)")
        if let isAccepted = file.isAccepted { #expect(isAccepted == (failure == nil), "\(label)") }
      }
    }
  }

  @Test(arguments: ["", "sys.modules['lz4'] = sys.modules['xxhash'] = None"])
  func constructedFilesGetTheSameVerdict(_ preparation: String) throws {
    try expectSameVerdicts(
      ContainerVerdict.all.map { ($0.name, $0.isAccepted, $0.bytes) }, preparation: preparation)
  }

  @Test func changedDirectoriesGetTheSameVerdict() throws {
    try ContainerSamples.withFile(ContainerSamples.everyEncoding) { path in
      let original = try Data(contentsOf: URL(filePath: path))
      let footer = original.count - 64
      let directory = original.withUnsafeBytes {
        Int(UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: footer, as: UInt64.self)))
      }
      var random = SplitMix(seed: 11)
      let files = (0..<400).map { number in
        var changed = original
        for _ in 0..<Int.random(in: 1...2, using: &random) {
          let offset = Int.random(in: directory..<footer, using: &random)
          changed[offset] =
            Bool.random(using: &random)
            ? .random(in: 0...255, using: &random) : changed[offset] ^ 1
        }
        HandmadeContainer.resign(&changed)
        return (name: "change \(number)", isAccepted: nil as Bool?, bytes: Array(changed))
      }
      try expectSameVerdicts(files, preparation: "")
    }
  }
}
