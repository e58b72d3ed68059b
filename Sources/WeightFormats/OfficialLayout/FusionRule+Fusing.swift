/// Numbers of one scalar type, in row-major order, not aligned to anything.
package struct TensorElements: Sendable {
  package let type: ScalarType
  package let bytes: TensorBytes

  package init(type: ScalarType, bytes: TensorBytes) {
    self.type = type
    self.bytes = bytes
  }

  package var count: Int { bytes.bytes.count / type.byteCount }

  /// The same numbers in another floating-point type, rounded to nearest.
  package func converted(to target: ScalarType) -> TensorElements {
    guard target != type else { return self }
    let widened: TensorElements
    if type == .f32 {
      widened = self
    } else {
      widened = TensorElements(
        type: .f32,
        bytes: TensorBytes(byteCount: count * 4) { memory in
          FloatingPointConversion.widen(
            bytes.bytes, type, to: memory.assumingMemoryBound(to: Float.self))
        })
    }
    guard target != .f32 else { return widened }
    return TensorElements(
      type: target,
      bytes: TensorBytes(byteCount: count * target.byteCount) { memory in
        widened.withFloats { FloatingPointConversion.narrow($0, to: target, memory) }
      })
  }

  /// The numbers of an f32 tensor, copied first where they are not aligned.
  fileprivate func withFloats(_ body: (UnsafeBufferPointer<Float>) -> Void) {
    let raw = bytes.bytes
    if UInt(bitPattern: raw.baseAddress) % 4 == 0 {
      body(raw.assumingMemoryBound(to: Float.self))
    } else {
      let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: raw.count, alignment: 4)
      defer { copy.deallocate() }
      copy.copyMemory(from: raw)
      body(UnsafeRawBufferPointer(copy).assumingMemoryBound(to: Float.self))
    }
  }
}

extension FusionRule {
  /// The type of the container's tensor when the sources are of these types: theirs if it is one, f32 where they differ or where
  /// numbers are added.
  package func fusedType(of types: [ScalarType]) -> ScalarType {
    guard fusion != .upsamplePhases, let first = types.first, types.allSatisfy({ $0 == first })
    else { return .f32 }
    return first
  }

  /// Makes the container's tensor. A tensor that only changes its shape is not copied.
  /// - Precondition: one element list for each of `sources`, of as many elements as its shape says, floating point.
  package func fuse(_ elements: [TensorElements]) -> TensorElements {
    precondition(
      elements.count == sources.count
        && zip(elements, sources).allSatisfy { $0.count == $1.elementCount })
    let type = fusedType(of: elements.map(\.type))
    let elements = elements.map { $0.converted(to: type) }
    if fusion == .reshape { return elements[0] }
    let bytes = TensorBytes(byteCount: elementCount * type.byteCount) { memory in
      switch fusion {
      case .reshape, .concatenateRows:
        var position = 0
        for part in elements {
          let bytes = part.bytes.bytes
          UnsafeMutableRawBufferPointer(rebasing: memory[position...]).copyMemory(from: bytes)
          position += bytes.count
        }
      case .channelsLast:
        // [O, I, kk] to [O, kk, I]
        ElementMovement.transpose(
          elements[0].bytes.bytes, to: memory, batches: shape[0], rows: shape[3],
          columns: shape[1] * shape[2], elementSize: type.byteCount)
      case .depthwiseChannelsLast:
        // [C, kk] to [kk, C]
        ElementMovement.transpose(
          elements[0].bytes.bytes, to: memory, batches: 1, rows: shape[2],
          columns: shape[0] * shape[1], elementSize: type.byteCount)
      case .upsamplePhases:
        elements[0].withFloats { kernel in
          PhaseKernels.split(
            kernel, into: memory.assumingMemoryBound(to: Float.self), outputs: shape[0] / 4,
            inputs: shape[3])
        }
      }
    }
    return TensorElements(type: type, bytes: bytes)
  }

  /// The inverse of `fuse`: one element list for each of `sources`, in the types asked for.
  ///
  /// Bits come back unchanged where the types are the same as before fusing; phase kernels come back to within the rounding of
  /// their f32 sums.
  /// - Precondition: `elements` are as many as the shape says, floating point.
  package func unfuse(_ elements: TensorElements, to types: [ScalarType]) -> [TensorElements] {
    precondition(elements.count == elementCount && types.count == sources.count)
    var position = 0
    return zip(sources, types).map { source, type in
      let part: TensorElements
      switch fusion {
      case .reshape: part = elements
      case .concatenateRows:
        let byteCount = source.elementCount * elements.type.byteCount
        let range = position..<position + byteCount
        position += byteCount
        part = TensorElements(
          type: elements.type,
          bytes: TensorBytes(
            UnsafeRawBufferPointer(rebasing: elements.bytes.bytes[range]),
            release: { [elements] in _ = elements }))
      case .channelsLast:
        part = elements.transposed(
          batches: shape[0], rows: shape[1] * shape[2], columns: shape[3])
      case .depthwiseChannelsLast:
        part = elements.transposed(batches: 1, rows: shape[0] * shape[1], columns: shape[2])
      case .upsamplePhases:
        part = TensorElements(
          type: .f32,
          bytes: TensorBytes(byteCount: source.elementCount * 4) { memory in
            elements.converted(to: .f32).withFloats { phases in
              PhaseKernels.join(
                phases, into: memory.assumingMemoryBound(to: Float.self), outputs: shape[0] / 4,
                inputs: shape[3])
            }
          })
      }
      return part.converted(to: type)
    }
  }
}

extension TensorElements {
  fileprivate func transposed(batches: Int, rows: Int, columns: Int) -> TensorElements {
    TensorElements(
      type: type,
      bytes: TensorBytes(byteCount: bytes.bytes.count) { memory in
        ElementMovement.transpose(
          bytes.bytes, to: memory, batches: batches, rows: rows, columns: columns,
          elementSize: type.byteCount)
      })
  }
}
