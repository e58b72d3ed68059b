/// Numbers of one scalar type, in row-major order, little-endian, not aligned to anything.
package struct TensorElements: Sendable {
  package let type: ScalarType
  package let bytes: TensorBytes

  package init(type: ScalarType, bytes: TensorBytes) {
    self.type = type
    self.bytes = bytes
  }

  package var count: Int { bytes.bytes.count / type.byteCount }

  /// Some of the numbers, in the same memory.
  package func slice(_ range: Range<Int>) -> TensorElements {
    let size = type.byteCount
    return TensorElements(
      type: type,
      bytes: TensorBytes(part: range.lowerBound * size..<range.upperBound * size, of: bytes))
  }

  /// Says that some of the numbers have been read and are not needed soon.
  package func evict(_ range: Range<Int>) {
    bytes.evict(range.lowerBound * type.byteCount..<range.upperBound * type.byteCount)
  }

  /// Reads those of the numbers that are not in memory yet.
  /// - Throws: `.fileAccess` when the file cannot be read there.
  package func populate(_ range: Range<Int>) throws {
    try bytes.populate(range.lowerBound * type.byteCount..<range.upperBound * type.byteCount)
  }

  /// The same numbers in another floating-point type, rounded to nearest; the same memory where nothing changes.
  package func converted(to target: ScalarType) -> TensorElements {
    guard target != type else { return self }
    return TensorElements(
      type: target,
      bytes: TensorBytes(byteCount: count * target.byteCount) { write(as: target, to: $0) })
  }

  /// Writes the numbers in a floating-point type, rounded to nearest.
  /// - Precondition: `memory`, aligned for the type, has room for exactly these numbers.
  package func write(as target: ScalarType, to memory: UnsafeMutableRawBufferPointer) {
    precondition(memory.count == count * target.byteCount)
    if target == type {
      memory.copyMemory(from: bytes.bytes)
    } else if target == .f32 {
      FloatingPointConversion.widen(
        bytes.bytes, type, to: memory.assumingMemoryBound(to: Float.self))
    } else {
      withFloats { FloatingPointConversion.narrow($0, to: target, memory) }
    }
  }

  /// The numbers as f32 in aligned memory; copied only where they are not that already.
  package func withFloats<Result>(
    _ body: (UnsafeBufferPointer<Float>) throws -> Result
  ) rethrows -> Result {
    if type == .f32, UInt(bitPattern: bytes.bytes.baseAddress) % 4 == 0 {
      return try body(bytes.bytes.assumingMemoryBound(to: Float.self))
    }
    let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
    defer { memory.deallocate() }
    FloatingPointConversion.widen(bytes.bytes, type, to: memory)
    return try body(UnsafeBufferPointer(memory))
  }
}
