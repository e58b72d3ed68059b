internal import Support
internal import Synchronization

/// Numbers of a tensor that were not zero and became zero, because the format of a file has no
/// smaller ones.
public struct VanishedNumbers: Hashable, Sendable {
  /// `transformer/proj_out.weight`.
  public let tensor: String
  public let count: Int
}

/// What rounding to a 16-bit format did to the numbers of a conversion beyond the usual half a
/// step, tensor by tensor.
final class NarrowingLosses: Sendable {
  private struct Loss {
    var type: ScalarType
    /// Finite numbers that became infinite, and the largest magnitude among them.
    var overflowed = 0
    var largest: Float = 0
    /// Numbers that became zero.
    var vanished = 0
  }

  private static let shownCount = 5

  private let losses = Mutex<[String: Loss]>([:])

  /// Makes some rows of a tensor in another format than its sources have, and keeps account.
  /// - Parameter memory: receives exactly these rows; aligned for the type.
  /// - Returns: what was not finite before it was rounded.
  func fuse(
    _ rule: FusionRule, _ elements: [TensorElements], rows: Range<Int>, as type: ScalarType,
    into memory: UnsafeMutableRawBufferPointer, tensor: String
  ) -> NotFiniteCount {
    guard type != .f32 else {
      rule.fuse(elements, rows: rows, as: type, into: memory)
      return NotFiniteCount(in: UnsafeRawBufferPointer(memory), of: .f32)
    }
    let count = rows.count * rule.columns
    let exact = TensorBytes(byteCount: count * 4) {
      rule.fuse(elements, rows: rows, as: .f32, into: $0)
    }
    return withExtendedLifetime(exact) {
      let floats = exact.bytes.assumingMemoryBound(to: Float.self)
      FloatingPointConversion.narrow(floats, to: type, memory)
      let halves = UnsafeRawBufferPointer(memory).assumingMemoryBound(to: UInt16.self)
      let infinity: UInt16 = type == .f16 ? 0x7C00 : 0x7F80
      var loss = Loss(type: type)
      loss.vanished =
        halves.reduce(0) { $0 &+ ($1 & 0x7FFF == 0 ? 1 : 0) }
        &- floats.reduce(0) { $0 &+ ($1 == 0 ? 1 : 0) }
      if halves.reduce(0, { $0 &+ ($1 & 0x7FFF == infinity ? 1 : 0) }) > 0 {
        for (half, number) in zip(halves, floats)
        where half & 0x7FFF == infinity && number.isFinite {
          loss.overflowed += 1
          loss.largest = max(loss.largest, number.magnitude)
        }
      }
      if loss.vanished + loss.overflowed > 0 { add(loss, to: tensor) }
      return NotFiniteCount(in: floats)
    }
  }

  private func add(_ loss: Loss, to tensor: String) {
    losses.withLock { losses in
      var sum = losses[tensor] ?? Loss(type: loss.type)
      sum.vanished += loss.vanished
      sum.overflowed += loss.overflowed
      sum.largest = max(sum.largest, loss.largest)
      losses[tensor] = sum
    }
  }

  /// Tensors in which numbers became zero, those with most first.
  var vanished: [VanishedNumbers] {
    losses.withLock { $0 }.filter { $1.vanished > 0 }
      .map { VanishedNumbers(tensor: $0, count: $1.vanished) }
      .sorted { ($0.count, $1.tensor) > ($1.count, $0.tensor) }
  }

  /// - Parameter precision: what the user asked for.
  /// - Throws: `.numericalFailure` naming the tensors that hold numbers beyond the format's range.
  func check(_ precision: StoragePrecision) throws(SanaError) {
    let tensors = losses.withLock { $0 }.filter { $1.overflowed > 0 }
      .sorted { ($0.value.overflowed, $1.key) > ($1.value.overflowed, $0.key) }
    guard let type = tensors.first?.value.type else { return }
    let total = tensors.reduce(0) { $0 + $1.value.overflowed }
    let named = tensors.prefix(Self.shownCount).map {
      "'\($0.key.abbreviated)' (\($0.value.overflowed), up to \($0.value.largest))"
    }
    let rest = tensors.count - named.count
    throw SanaError(
      .numericalFailure,
      "\(total) number\(total == 1 ? "" : "s") of \(tensors.count) tensor\(tensors.count == 1 ? "" : "s") are too large for"
        + " \(type.encoding): \(named.joined(separator: ", "))\(rest > 0 ? " and \(rest) more" : "")",
      remedy: precision == .f16
        ? "use --precision bf16, or keep and then sana-quant --recipe f16, which leaves such tensors as they are"
        : "use --precision f32"
    )
  }
}
