import ArgumentParser
import CommandLineSupport
import Support
import WeightFormats

/// Compares loading a model with reading the bytes of its file, on the same threads and from the page cache.
struct Load: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compare loading a .sana file with reading its bytes.")

  @Argument(help: "A .sana file.")
  var model: String

  @Option(help: "How often each is measured, in turn.")
  var rounds = 5

  private static let pieceByteCount = 1 << 20

  /// Some rows of a tensor and where they go.
  private struct Piece: Sendable {
    let source: ComponentSource
    let name: String
    let rows: Range<Int>
    let values: Range<Int>
    let scales: Range<Int>
  }

  func validate() throws {
    guard rounds > 0 else { throw ValidationError("--rounds must be at least 1") }
  }

  func run() throws {
    try ToolSession.run { _ in
      let file = try ModelFile(path: model)
      try Self.readRaw(model)
      var table = TextTable(
        ["", "read", "load", "of read", "copy", "of read"].map { .init($0, .right) })
      var measured: [[Double]] = []
      func append(_ title: String, _ row: [Double]) {
        table.append([title] + row.map { $0.formatted(decimals: 3) })
      }
      for round in 0..<rounds {
        let raw = try Measurement { try Self.readRaw(model) }.seconds
        let loaded = try Measurement { try Self.load(file) }.seconds
        let copied = try Measurement { try Self.copy(file) }.seconds
        measured.append([raw, loaded, loaded / raw, copied, copied / raw])
        append("\(round + 1)", measured[round])
      }
      append("median", (0..<5).map { column in measured.map { $0[column] }.sorted()[rounds / 2] })
      try OutputStream.standardOutput.write(table.text)
    }
  }

  /// The whole file into new memory.
  private static func readRaw(_ path: String) throws {
    let file = try MappedFile(path: path)
    let count = file.byteCount
    try withMemory(count) { memory in
      nonisolated(unsafe) let memory = memory
      try Parallel.forEach((count + pieceByteCount - 1) / pieceByteCount) { index, _ in
        let begin = index * pieceByteCount
        try file.read(
          into: UnsafeMutableRawBufferPointer(
            rebasing: memory[begin..<min(begin + pieceByteCount, count)]), at: begin)
      }
    }
  }

  /// As the programs load: raw planes are verified and used where they are mapped, others decoded.
  private static func load(_ file: ModelFile) throws {
    var tensors: [StoredTensor] = []
    for component in file.components {
      guard let kind = component.kind else { continue }
      let source = try file.source(for: kind)
      for tensor in component.tensors { tensors.append(try source.load(tensor.name)) }
    }
    withExtendedLifetime(tensors) {}
  }

  /// Every tensor, verified and decoded, into new memory.
  private static func copy(_ file: ModelFile) throws {
    var pieces: [Piece] = []
    var end = 0
    for component in file.components {
      guard let kind = component.kind else { continue }
      let source = try file.source(for: kind)
      for tensor in component.tensors {
        let description = tensor.description
        let rows = max(description.rows, 1)
        let valueBytes = description.valueByteCount / rows
        let scaleBytes = description.scaleCount / rows * 4
        let step = max(pieceByteCount / max(valueBytes, 1), 1)
        for begin in stride(from: 0, to: description.rows, by: step) {
          let count = min(step, description.rows - begin)
          // Floats are aligned.
          let scales = (end + count * valueBytes + 63) / 64 * 64
          pieces.append(
            Piece(
              source: source, name: tensor.name, rows: begin..<begin + count,
              values: end..<end + count * valueBytes, scales: scales..<scales + count * scaleBytes)
          )
          end = scales + (count * scaleBytes + 63) / 64 * 64
        }
      }
    }
    try withMemory(end) { [pieces] memory in
      nonisolated(unsafe) let memory = memory
      try Parallel.forEach(pieces.count) { index, _ in
        let piece = pieces[index]
        try piece.source.read(
          piece.name, rows: piece.rows,
          into: UnsafeMutableRawBufferPointer(rebasing: memory[piece.values]),
          scales: UnsafeMutableRawBufferPointer(rebasing: memory[piece.scales])
            .bindMemory(to: Float.self))
      }
    }
  }

  private static func withMemory(
    _ byteCount: Int, _ body: (UnsafeMutableRawBufferPointer) throws -> Void
  ) rethrows {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 4096)
    defer { memory.deallocate() }
    try body(memory)
  }
}
