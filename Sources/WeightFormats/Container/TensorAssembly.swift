internal import Support

/// A plane while its chunks are being written.
struct PlaneAssembly {
  var offset: Int?
  private var chunks: [ChunkEntry] = []
  private var rawByteCount = 0

  init() {}

  mutating func append(_ chunk: EncodedChunk, at offset: Int) {
    chunks.append(
      ChunkEntry(
        rawByteCount: chunk.rawByteCount, storedByteCount: chunk.bytes.bytes.count,
        filter: chunk.filter, codec: chunk.codec, checksum: chunk.checksum, offset: offset,
        rawOffset: rawByteCount))
    rawByteCount += chunk.rawByteCount
  }

  var entry: PlaneEntry { PlaneEntry(offset: offset ?? ContainerHeader.byteCount, chunks: chunks) }
}

/// A tensor while its bands are being produced and written.
final class TensorAssembly: @unchecked Sendable {
  // Sendable: producers write disjoint scales; `values` is touched only by completions, which run
  // one at a time and after all producers of the bands before them.
  let description: TensorDescription
  let metadata: @Sendable () throws -> MetadataValue
  let rowByteCount: Int
  var values = PlaneAssembly()
  private let scales: UnsafeMutableBufferPointer<Float>

  init(_ description: TensorDescription, metadata: @escaping @Sendable () throws -> MetadataValue) {
    self.description = description
    self.metadata = metadata
    rowByteCount = description.valueByteCount / max(description.rows, 1)
    scales = .allocate(capacity: description.scaleCount)
    scales.initialize(repeating: 0)
  }

  deinit { scales.deallocate() }

  /// Cuts the rows so that the values of a band make one chunk; at least one band, even of nothing.
  var bands: [Range<Int>] {
    let rows = description.rows
    guard rows > 0, rowByteCount > 0 else { return [0..<rows] }
    let step = max(ChunkEncoder.targetByteCount / rowByteCount, 1)
    return stride(from: 0, to: rows, by: step).map { $0..<min($0 + step, rows) }
  }

  func scales(of rows: Range<Int>) -> UnsafeMutableBufferPointer<Float> {
    let perRow = scales.count / max(description.rows, 1)
    return UnsafeMutableBufferPointer(
      rebasing: scales[rows.lowerBound * perRow..<rows.upperBound * perRow])
  }

  /// All scales, once every band is produced; they keep this object alive.
  var scaleBytes: TensorBytes {
    TensorBytes(UnsafeRawBufferPointer(scales), release: { _ = self })
  }
}
