package import Support

/// Bytes of one tensor, and whoever keeps them alive: an allocation or a mapped file.
public final class TensorBytes: @unchecked Sendable {
  // Sendable: the bytes are written before the object is shared and never after.
  public let bytes: UnsafeRawBufferPointer
  private let release: @Sendable () -> Void
  /// Gives memory back that the bytes need no longer, at least for now: a range counted from their
  /// start.
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

  /// A part of a mapped file. Its pages leave this program's memory with the object, though the
  /// mapping stays.
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

  /// Says that some of the bytes have been read and are not needed soon. Those of a mapped file
  /// leave this program's memory until they are touched again; an allocation stays as it is.
  package func evict(_ range: Range<Int>) { evict?(range) }

  /// Reads those of the bytes that are not in memory yet, at once instead of page by page.
  /// - Throws: `.fileAccess` when the file cannot be read there.
  package func populate(_ range: Range<Int>) throws { try populate?(range) }

  deinit { release() }
}
