/// What became of a tensor that one of two models has, or both.
public struct TensorComparison: Sendable {
  public enum Outcome: Sendable {
    case onlyInFirst
    case onlyInSecond
    /// The shapes differ, or one holds weights and the other bytes: the numbers cannot be compared.
    case incomparable
    /// All numbers are the same to the last bit.
    /// - Parameter unread: whether that was concluded from equal checksums of equally stored bytes.
    case identical(unread: Bool)
    /// The first one's numbers are the original of the statistics.
    case different(DistortionStatistics)
    /// Bytes that are no weights, such as a tokenizer's files, differ in so many places.
    case differentBytes(Int)
  }

  public let component: String
  public let name: String
  public let first: TensorDescription?
  public let second: TensorDescription?
  public let outcome: Outcome

  /// Whether both models have it in the same shape.
  public var hasSameShape: Bool { first?.shape == second?.shape }

  /// Whether both models store it, and multiply with it, in the same way.
  public var hasSameEncoding: Bool {
    first?.encoding == second?.encoding && first?.activations == second?.activations
  }

  /// Whether every number that it stands for is the same to the last bit.
  public var hasSameValues: Bool {
    if case .identical = outcome { true } else { false }
  }

  /// Whether nothing distinguishes the two.
  public var isSame: Bool { hasSameValues && hasSameEncoding }
}

extension TensorEntry {
  /// Whether the bytes of two tensors of equal description are the same as far as their chunks'
  /// checksums tell, without reading them. `false` where the chunks are cut or compressed
  /// differently.
  func hasSameChecksums(as other: TensorEntry) -> Bool {
    guard planes.count == other.planes.count else { return false }
    return zip(planes, other.planes).allSatisfy { first, second in
      first.chunks.count == second.chunks.count
        && zip(first.chunks, second.chunks).allSatisfy {
          $0.checksum == $1.checksum && $0.rawByteCount == $1.rawByteCount
            && $0.storedByteCount == $1.storedByteCount && $0.filter == $1.filter
            && $0.codec == $1.codec
        }
    }
  }
}
