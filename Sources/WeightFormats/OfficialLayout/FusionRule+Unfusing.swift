extension FusionRule {
  /// Consecutive numbers of one official tensor.
  package struct Piece: Sendable {
    /// Which of `sources`.
    package let source: Int
    /// The position of the first number in the official tensor.
    package let start: Int
    package let elements: TensorElements
  }

  /// Whether some rows of the container's tensor are enough to make some of the official numbers.
  /// Otherwise all are needed.
  package var unfusesByRows: Bool { fusion == .reshape || fusion == .concatenateRows }

  /// The inverse of `fuse`: what these rows say about the official tensors, in the types asked for.
  ///
  /// Bits come back unchanged where the types are the same as before fusing; phase kernels come
  /// back to within the rounding of their f32 sums.
  /// - Parameters:
  ///   - elements: floating-point numbers of these rows.
  ///   - rows: all, unless `unfusesByRows`.
  ///   - types: one for each of `sources`.
  package func unfuse(
    _ elements: TensorElements, rows: Range<Int>, to types: [ScalarType]
  ) -> [Piece] {
    precondition(
      elements.count == rows.count * columns && types.count == sources.count
        && (unfusesByRows || rows == 0..<self.rows))
    switch fusion {
    case .reshape, .concatenateRows:
      var pieces: [Piece] = []
      var end = 0
      for (index, source) in sources.enumerated() {
        let start = end
        end += source.elementCount / columns
        let common = rows.clamped(to: start..<end)
        guard !common.isEmpty else { continue }
        let numbers = elements.slice(
          (common.lowerBound - rows.lowerBound) * columns..<(common.upperBound - rows.lowerBound)
            * columns)
        pieces.append(
          Piece(
            source: index, start: (common.lowerBound - start) * columns,
            elements: numbers.converted(to: types[index])))
      }
      return pieces
    case .channelsLast:
      let numbers = elements.transposed(
        batches: shape[0], rows: shape[1] * shape[2], columns: shape[3])
      return [Piece(source: 0, start: 0, elements: numbers.converted(to: types[0]))]
    case .depthwiseChannelsLast:
      let numbers = elements.transposed(batches: 1, rows: shape[0] * shape[1], columns: shape[2])
      return [Piece(source: 0, start: 0, elements: numbers.converted(to: types[0]))]
    case .upsamplePhases:
      let numbers = TensorElements(
        type: .f32,
        bytes: TensorBytes(byteCount: sources[0].elementCount * 4) { memory in
          elements.withFloats { phases in
            PhaseKernels.join(
              phases, into: memory.assumingMemoryBound(to: Float.self), outputs: shape[0] / 4,
              inputs: shape[3])
          }
        })
      return [Piece(source: 0, start: 0, elements: numbers.converted(to: types[0]))]
    }
  }
}

extension TensorElements {
  /// Each of `batches` matrices transposed.
  fileprivate func transposed(batches: Int, rows: Int, columns: Int) -> TensorElements {
    let matrix = rows * columns
    return TensorElements(
      type: type,
      bytes: TensorBytes(byteCount: bytes.bytes.count) { memory in
        for batch in 0..<batches {
          ElementMovement.transpose(
            slice(batch * matrix..<(batch + 1) * matrix).bytes.bytes,
            .init(rows: rows, columns: columns),
            to: UnsafeMutableRawBufferPointer(
              rebasing: memory[(batch * matrix * type.byteCount)...]),
            elementSize: type.byteCount)
        }
      })
  }
}
