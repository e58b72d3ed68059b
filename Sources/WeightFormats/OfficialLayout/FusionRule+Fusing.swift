extension FusionRule {
  /// Rows of the container's tensor: its first axis.
  package var rows: Int { shape.first ?? 1 }
  /// Elements of one row.
  package var columns: Int { shape.dropFirst().reduce(1, *) }

  /// The type of the container's tensor when the sources are of these types: theirs if it is one,
  /// f32 where they differ or where numbers are added.
  package func fusedType(of types: [ScalarType]) -> ScalarType {
    guard fusion != .upsamplePhases, let first = types.first, types.allSatisfy({ $0 == first })
    else { return .f32 }
    return first
  }

  /// Makes the whole tensor, in the type it has by nature.
  package func fuse(_ elements: [TensorElements]) -> TensorElements {
    let type = fusedType(of: elements.map(\.type))
    return TensorElements(
      type: type,
      bytes: TensorBytes(byteCount: elementCount * type.byteCount) { memory in
        fuse(elements, rows: 0..<rows, as: type, into: memory)
      })
  }

  /// Makes some rows of the container's tensor.
  /// - Parameters:
  ///   - elements: floating-point numbers of each of `sources`, as many as its shape says.
  ///   - type: what the numbers are rounded to; bits move unchanged where it is the sources' own.
  ///   - memory: receives exactly these rows; aligned for the type.
  package func fuse(
    _ elements: [TensorElements], rows: Range<Int>, as type: ScalarType,
    into memory: UnsafeMutableRawBufferPointer
  ) {
    precondition(
      elements.count == sources.count
        && zip(elements, sources).allSatisfy { $0.count == $1.elementCount })
    let native = fusedType(of: elements.map(\.type))
    guard native != type else {
      fuse(elements, rows: rows, native: type, into: memory)
      return
    }
    let band = TensorElements(
      type: native,
      bytes: TensorBytes(byteCount: rows.count * columns * native.byteCount) { band in
        fuse(elements, rows: rows, native: native, into: band)
      })
    band.write(as: type, to: memory)
  }

  /// The numbers of each source among which are all that these rows are made of.
  package func sourceRanges(of rows: Range<Int>) -> [Range<Int>] {
    switch fusion {
    case .reshape, .concatenateRows, .channelsLast:
      var end = 0
      return sources.map { source in
        let start = end
        end += source.elementCount / max(columns, 1)
        let common = rows.clamped(to: start..<end)
        return (common.lowerBound - start) * columns..<(common.upperBound - start) * columns
      }
    case .depthwiseChannelsLast: return [0..<sources[0].elementCount]
    case .upsamplePhases:
      let outputs = shape[0] / 4
      let outputSize = 9 * shape[3]
      guard !rows.isEmpty, rows.lowerBound / outputs == (rows.upperBound - 1) / outputs else {
        return [0..<sources[0].elementCount]
      }
      let first = rows.lowerBound % outputs
      return [first * outputSize..<(first + rows.count) * outputSize]
    }
  }

  /// Some of the numbers that these rows are made of: each of them once when all rows are gone
  /// through.
  package func ownRanges(of rows: Range<Int>) -> [Range<Int>] {
    switch fusion {
    case .reshape, .concatenateRows, .channelsLast: return sourceRanges(of: rows)
    case .depthwiseChannelsLast: return [rows.contains(0) ? 0..<sources[0].elementCount : 0..<0]
    case .upsamplePhases:
      let first = rows.clamped(to: 0..<shape[0] / 4)
      let outputSize = 9 * shape[3]
      return [first.lowerBound * outputSize..<first.upperBound * outputSize]
    }
  }

  private func fuse(
    _ elements: [TensorElements], rows: Range<Int>, native type: ScalarType,
    into memory: UnsafeMutableRawBufferPointer
  ) {
    let rowByteCount = columns * type.byteCount
    func target(_ rows: Range<Int>, from start: Int) -> UnsafeMutableRawBufferPointer {
      UnsafeMutableRawBufferPointer(
        rebasing: memory[
          (rows.lowerBound - start) * rowByteCount..<(rows.upperBound - start) * rowByteCount])
    }
    switch fusion {
    case .reshape, .concatenateRows:
      var end = 0
      for (part, source) in zip(elements, sources) {
        let start = end
        end += source.elementCount / columns
        let common = rows.clamped(to: start..<end)
        guard !common.isEmpty else { continue }
        part.slice((common.lowerBound - start) * columns..<(common.upperBound - start) * columns)
          .write(as: type, to: target(common, from: rows.lowerBound))
      }
    case .channelsLast:
      // Each output's [I, kk] becomes [kk, I].
      for row in rows {
        let kernel = elements[0].slice(row * columns..<(row + 1) * columns).bytes
        withExtendedLifetime(kernel) {
          ElementMovement.transpose(
            kernel.bytes, .init(rows: shape[3], columns: shape[1] * shape[2]),
            to: target(row..<row + 1, from: rows.lowerBound), elementSize: type.byteCount)
        }
      }
    case .depthwiseChannelsLast:
      // One row of every channel's kernel, [C, k] in steps of kk, becomes [k, C].
      let (width, channels) = (shape[1], shape[2])
      let kernels = elements[0].bytes
      for row in rows {
        withExtendedLifetime(kernels) {
          ElementMovement.transpose(
            UnsafeRawBufferPointer(rebasing: kernels.bytes[(row * width * type.byteCount)...]),
            .init(rows: channels, columns: width, stride: shape[0] * width),
            to: target(row..<row + 1, from: rows.lowerBound), elementSize: type.byteCount)
        }
      }
    case .upsamplePhases:
      let (outputs, inputs) = (shape[0] / 4, shape[3])
      for row in rows {
        let output = row % outputs
        elements[0].slice(output * 9 * inputs..<(output + 1) * 9 * inputs).withFloats { kernel in
          PhaseKernels.split(
            kernel, phase: row / outputs,
            into: target(row..<row + 1, from: rows.lowerBound).assumingMemoryBound(to: Float.self))
        }
      }
    }
  }
}
