/// Bytes of one tensor, and whoever keeps them alive: an allocation or a mapped file.
public final class TensorBytes: @unchecked Sendable {
  // Sendable: the bytes are written before the object is shared and never after.
  public let bytes: UnsafeRawBufferPointer
  private let release: @Sendable () -> Void

  /// - Parameter release: called once, when the last reference goes away.
  public init(_ bytes: UnsafeRawBufferPointer, release: @escaping @Sendable () -> Void) {
    self.bytes = bytes
    self.release = release
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
  /// - Throws: `SanaError` `.tensorMismatch` when there is none, `.corruptFile` when a checksum disagrees.
  func load(_ name: String) throws -> StoredTensor
}
