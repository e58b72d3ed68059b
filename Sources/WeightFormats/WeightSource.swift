/// Bytes of one tensor, and whoever keeps them alive: an allocation or a mapped file.
public final class TensorBytes: @unchecked Sendable {
  // Sendable: the bytes are written before the object is shared and never after.
  public let bytes: UnsafeRawBufferPointer
  private let release: @Sendable () -> Void
  /// Gives memory back that the bytes need no longer, at least for now: a range counted from their start.
  private let evict: (@Sendable (Range<Int>) -> Void)?
  /// Reads what is not in memory yet: a range counted from their start.
  private let populate: (@Sendable (Range<Int>) throws -> Void)?

  /// - Parameter release: called once, when the last reference goes away.
  public init(_ bytes: UnsafeRawBufferPointer, release: @escaping @Sendable () -> Void) {
    self.bytes = bytes
    self.release = release
    evict = nil
    populate = nil
  }

  /// A part of a mapped file. Its pages leave this program's memory with the object, though the mapping stays.
  package init(_ file: MappedFile, _ range: Range<Int>) {
    bytes = UnsafeRawBufferPointer(rebasing: file.bytes[range])
    release = { file.evict(range) }
    evict = { part in
      file.evict(range.lowerBound + part.lowerBound..<range.lowerBound + part.upperBound)
    }
    populate = { part in
      try file.populate(range.lowerBound + part.lowerBound..<range.lowerBound + part.upperBound)
    }
  }

  /// Some of the bytes of another object, in the same memory.
  package init(part range: Range<Int>, of whole: TensorBytes) {
    bytes = UnsafeRawBufferPointer(rebasing: whole.bytes[range])
    release = { _ = whole }
    evict = { part in
      whole.evict(range.lowerBound + part.lowerBound..<range.lowerBound + part.upperBound)
    }
    populate = { part in
      try whole.populate(range.lowerBound + part.lowerBound..<range.lowerBound + part.upperBound)
    }
  }

  /// Allocates 64-byte aligned memory (the widest vector register) and lets `fill` write it.
  public convenience init(
    byteCount: Int, filledBy fill: (UnsafeMutableRawBufferPointer) throws -> Void
  ) rethrows {
    let memory = UnsafeMutableRawBufferPointer.allocate(
      byteCount: max(byteCount, 1), alignment: 64)
    let used = UnsafeMutableRawBufferPointer(rebasing: memory[..<byteCount])
    do { try fill(used) } catch {
      memory.deallocate()
      throw error
    }
    nonisolated(unsafe) let owned = memory
    self.init(UnsafeRawBufferPointer(used), release: { owned.deallocate() })
  }

  /// Says that some of the bytes have been read and are not needed soon. Those of a mapped file leave this program's memory until
  /// they are touched again; an allocation stays as it is.
  package func evict(_ range: Range<Int>) { evict?(range) }

  /// Reads those of the bytes that are not in memory yet, at once instead of page by page.
  /// - Throws: `.fileAccess` when the file cannot be read there.
  package func populate(_ range: Range<Int>) throws { try populate?(range) }

  deinit { release() }
}

/// A tensor with its bytes in memory.
public struct StoredTensor: Sendable {
  public let description: TensorDescription
  /// Codes or plain values, `description.valueByteCount` bytes, little-endian.
  public let values: TensorBytes
  /// f32 scales, `description.scaleCount` of them; `nil` where the encoding has none.
  public let scales: TensorBytes?

  public init(description: TensorDescription, values: TensorBytes, scales: TensorBytes? = nil) {
    self.description = description
    self.values = values
    self.scales = scales
  }
}

/// Where a model finds its weights: one component of a `.sana` file, or a checkpoint being converted.
public protocol WeightSource: Sendable {
  /// What the source holds under this name, or `nil`.
  func description(of name: String) -> TensorDescription?
  /// Reads and verifies one tensor.
  /// - Throws: `SanaError` `.tensorMismatch` when there is none, `.corruptFile` when a checksum
  ///   disagrees.
  func load(_ name: String) throws -> StoredTensor
  /// Reads and verifies one tensor into memory of the caller's.
  /// - Parameters:
  ///   - values: `valueByteCount` bytes of the description, which receive codes or plain values.
  ///   - scales: `scaleCount` numbers of the description; empty where the encoding has none.
  ///   - loops: the threads that may work on it. Each takes at most `readingScratchBytes(of:)` of
  ///     memory meanwhile.
  /// - Throws: as `load`; `.invalidArgument` when the memory has another size; `.cancelled` when
  ///   the loops were ended before the tensor was read. After a failure the memory holds anything.
  func read(
    _ name: String, into values: UnsafeMutableRawBufferPointer,
    scales: UnsafeMutableBufferPointer<Float>, on loops: any LoopRunner) throws
  /// The most bytes of memory that each thread takes while it takes part in reading this tensor
  /// into memory of the caller's; 0 when there is no such tensor.
  func readingScratchBytes(of name: String) -> Int
  /// Reads and verifies some rows of a tensor.
  /// - Parameters:
  ///   - rows: each within `0..<description.rows`, in any order, also repeatedly.
  ///   - loops: the threads that may work on it.
  /// - Returns: a tensor of `rows.count` rows, in the order given.
  /// - Throws: as `load`; `.cancelled` when the loops were ended before the rows were read.
  func loadRows(_ rows: [Int], of name: String, on loops: any LoopRunner) throws -> StoredTensor
}

extension WeightSource {
  /// Loads the whole tensor and copies it.
  public func read(
    _ name: String, into values: UnsafeMutableRawBufferPointer,
    scales: UnsafeMutableBufferPointer<Float>, on loops: any LoopRunner
  ) throws {
    let tensor = try load(name)
    try tensor.description.checkRoom(values: values, scales: scales)
    values.copyMemory(from: tensor.values.bytes)
    if let loaded = tensor.scales {
      UnsafeMutableRawBufferPointer(scales).copyMemory(from: loaded.bytes)
    }
  }

  /// None: what `load` takes is the source's own affair.
  public func readingScratchBytes(of name: String) -> Int { 0 }

  /// Loads the whole tensor and picks the rows.
  public func loadRows(
    _ rows: [Int], of name: String, on loops: any LoopRunner
  ) throws -> StoredTensor {
    try load(name).picking(rows)
  }

  /// Reads and verifies some rows of a tensor, on all processors.
  /// - Parameter rows: each within `0..<description.rows`, in any order, also repeatedly.
  /// - Returns: a tensor of `rows.count` rows, in the order given.
  /// - Throws: as `load`.
  public func loadRows(_ rows: [Int], of name: String) throws -> StoredTensor {
    try loadRows(rows, of: name, on: ProcessorLoops())
  }
}

extension TensorDescription {
  /// Asks whether memory holds the tensor exactly.
  /// - Throws: `SanaError` `.invalidArgument` when it has another size.
  func checkRoom(
    values: UnsafeMutableRawBufferPointer, scales: UnsafeMutableBufferPointer<Float>
  ) throws(SanaError) {
    guard values.count == valueByteCount, scales.count == scaleCount else {
      throw SanaError(
        .invalidArgument,
        "tensor '\(name.abbreviated)' has \(valueByteCount) bytes and \(scaleCount) scales, the"
          + " memory given for it \(values.count) and \(scales.count)",
        remedy: "give as much memory as its description says")
    }
  }
}

extension StoredTensor {
  /// A copy of some rows, in the order given.
  package func picking(_ rows: [Int]) -> StoredTensor {
    var picked = description
    picked.shape = [rows.count] + description.shape.dropFirst()
    func pick(_ plane: TensorBytes, byteCount: Int) -> TensorBytes {
      let rowByteCount = plane.bytes.count / max(description.rows, 1)
      return TensorBytes(byteCount: byteCount) { target in
        for (index, row) in rows.enumerated() {
          UnsafeMutableRawBufferPointer(
            rebasing: target[index * rowByteCount..<(index + 1) * rowByteCount]
          ).copyMemory(
            from: UnsafeRawBufferPointer(
              rebasing: plane.bytes[row * rowByteCount..<(row + 1) * rowByteCount]))
        }
      }
    }
    return StoredTensor(
      description: picked, values: pick(values, byteCount: picked.valueByteCount),
      scales: scales.map { pick($0, byteCount: picked.scaleCount * MemoryLayout<Float>.size) })
  }
}
