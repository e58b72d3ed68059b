/// Something that is done to the numbers of a matrix whenever they are read.
package protocol ElementUpdate: Sendable {
  /// Does it to some rows.
  /// - Parameters:
  ///   - numbers: whole rows of the matrix, f32.
  ///   - start: which number of the matrix is the first.
  func apply(to numbers: UnsafeMutableBufferPointer<Float>, from start: Int)
}

/// Numbers of one scalar type, in row-major order, little-endian, not aligned to anything. They lie
/// in memory, but for what is done to them, by adapters for one: that is computed whenever they are
/// read, for the numbers that are read.
package struct TensorElements: Sendable {
  /// f32 where something is done to them, and where the numbers are stored as f64.
  package let type: ScalarType
  private let storedType: ScalarType
  private let stored: TensorBytes
  private let update: (any ElementUpdate)?
  /// Which number of the tensor is the first of these.
  private let start: Int

  package init(type: ScalarType, bytes: TensorBytes) {
    self.init(storedType: type, stored: bytes, update: nil, start: 0)
  }

  private init(
    storedType: ScalarType, stored: TensorBytes, update: (any ElementUpdate)?, start: Int
  ) {
    type = update == nil ? storedType.readType : .f32
    self.storedType = storedType
    self.stored = stored
    self.update = update
    self.start = start
  }

  /// Whether the numbers are other ones than those that are stored.
  package var isComputed: Bool { update != nil || type != storedType }

  package var count: Int { stored.bytes.count / storedType.byteCount }

  /// The numbers in their type: the same memory, or a new one where they are computed.
  package var bytes: TensorBytes {
    guard isComputed else { return stored }
    return TensorBytes(byteCount: count * type.byteCount) { write(as: type, to: $0) }
  }

  /// The same numbers with something done to them, in f32.
  /// - Precondition: these are all numbers of a tensor of floating-point numbers, to which nothing
  ///   is done yet.
  package func updated(by update: any ElementUpdate) -> TensorElements {
    precondition(self.update == nil && storedType.isFloatingPoint)
    return TensorElements(storedType: storedType, stored: stored, update: update, start: 0)
  }

  /// Some of the numbers, in the same memory; whole rows where something is done to them.
  package func slice(_ range: Range<Int>) -> TensorElements {
    TensorElements(
      storedType: storedType, stored: TensorBytes(part: storedBytes(range), of: stored),
      update: update, start: start + range.lowerBound)
  }

  /// Says that some of the numbers have been read and are not needed soon.
  package func evict(_ range: Range<Int>) { stored.evict(storedBytes(range)) }

  /// Reads those of the numbers that are not in memory yet.
  /// - Throws: `.fileAccess` when the file cannot be read there.
  package func populate(_ range: Range<Int>) throws { try stored.populate(storedBytes(range)) }

  /// NaN and infinities among some of the numbers, as they are before something is added.
  package func countNotFinite(in range: Range<Int>) -> NotFiniteCount {
    withExtendedLifetime(stored) {
      NotFiniteCount(
        in: UnsafeRawBufferPointer(rebasing: stored.bytes[storedBytes(range)]), of: storedType)
    }
  }

  private func storedBytes(_ range: Range<Int>) -> Range<Int> {
    range.lowerBound * storedType.byteCount..<range.upperBound * storedType.byteCount
  }

  /// The same numbers in another floating-point type, rounded to nearest; the same memory where
  /// nothing changes.
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
    if target == .f32 {
      let floats = memory.assumingMemoryBound(to: Float.self)
      FloatingPointConversion.widen(stored.bytes, storedType, to: floats)
      update?.apply(to: floats, from: start)
    } else if target == type {
      memory.copyMemory(from: stored.bytes)
    } else {
      withFloats { FloatingPointConversion.narrow($0, to: target, memory) }
    }
  }

  /// The numbers as f32 in aligned memory; copied only where they are not that already.
  package func withFloats<Result>(
    _ body: (UnsafeBufferPointer<Float>) throws -> Result
  ) rethrows -> Result {
    if type == .f32, !isComputed, UInt(bitPattern: stored.bytes.baseAddress) % 4 == 0 {
      return try body(stored.bytes.assumingMemoryBound(to: Float.self))
    }
    let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
    defer { memory.deallocate() }
    write(as: .f32, to: UnsafeMutableRawBufferPointer(memory))
    return try body(UnsafeBufferPointer(memory))
  }
}

extension TensorElements {
  /// The first number, of whatever type they are; `nil` where there is none.
  package var firstNumber: Double? {
    guard count > 0 else { return nil }
    return withExtendedLifetime(stored) {
      let bytes = stored.bytes
      return switch storedType {
      case .f64:
        Double(bitPattern: UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self)))
      case .f32, .f16, .bf16: slice(0..<1).withFloats { Double($0[0]) }
      case .i64: Double(Int64(littleEndian: bytes.loadUnaligned(as: Int64.self)))
      case .i32: Double(Int32(littleEndian: bytes.loadUnaligned(as: Int32.self)))
      case .i8: Double(Int8(bitPattern: bytes[0]))
      case .u8, .bool: Double(bytes[0])
      }
    }
  }
}
