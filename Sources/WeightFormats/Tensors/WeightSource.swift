public import Support

/// Where a model finds its weights: one component of a `.sana` file, or a checkpoint being
/// converted.
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
  /// Whether a tensor's values lie in a mapped file as they are, so that they can be used there.
  func mapsValues(of name: String) -> Bool
  /// Lends the values of a tensor where they lie in a mapped file, whose pages count as this
  /// program's memory until the object that is returned goes away, and reads its scales.
  ///
  /// Values are verified when they are lent for the first time.
  /// - Parameters:
  ///   - scales: as `read` takes them.
  ///   - loops: the threads that may work on it, each with as much memory as for `read`.
  /// - Returns: nil where the values do not lie so (`mapsValues`).
  /// - Throws: as `read`; `.fileAccess` when the disk fails.
  func lendValues(
    of name: String, scales: UnsafeMutableBufferPointer<Float>, on loops: any LoopRunner
  ) throws -> TensorBytes?
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

  /// No.
  public func mapsValues(of name: String) -> Bool { false }

  /// Nothing.
  public func lendValues(
    of name: String, scales: UnsafeMutableBufferPointer<Float>, on loops: any LoopRunner
  ) throws -> TensorBytes? { nil }

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
    guard values.count == valueByteCount else {
      throw SanaError(
        .invalidArgument,
        "tensor '\(name.abbreviated)' has \(valueByteCount) bytes, the memory given for it"
          + " \(values.count)",
        remedy: "give as much memory as its description says")
    }
    try checkRoom(scales: scales)
  }

  /// Asks whether memory holds the tensor's scales exactly.
  /// - Throws: `SanaError` `.invalidArgument` when it has another size.
  func checkRoom(scales: UnsafeMutableBufferPointer<Float>) throws(SanaError) {
    guard scales.count == scaleCount else {
      throw SanaError(
        .invalidArgument,
        "tensor '\(name.abbreviated)' has \(scaleCount) scales, the memory given for them has room"
          + " for \(scales.count)",
        remedy: "give as much memory as its description says")
    }
  }
}
