internal import CKernels
internal import SanaGraph

extension CPUExecutable {
  /// Elements a thread should have at least.
  private static let elements = 1 << 14

  func compute(_ operation: Add, _ output: Value) {
    let (first, second, target) = (
      floats(operation.first), floats(operation.second), floats(output)
    )
    let period = shape(operation.second).elementCount
    for start in stride(from: 0, to: shape(output).elementCount, by: max(period, 1)) {
      pool.forEachRange(period, minimum: Self.elements) {
        let place = start + $0.lowerBound
        kernels.add(first + place, second + $0.lowerBound, target + place, $0.count)
      }
    }
  }

  func compute(_ operation: GatedResidual, _ output: Value) {
    let size = shape(output)
    let (input, residual, target) = (
      floats(operation.input), floats(operation.residual), floats(output)
    )
    guard let gate = operation.gate else {
      pool.forEachRange(size.elementCount, minimum: Self.elements) {
        let place = $0.lowerBound
        kernels.add(residual + place, input + place, target + place, $0.count)
      }
      return
    }
    let (vector, stride) = modulation(gate, channels: size.channels)
    pool.forEachRange(size.rows, minimum: 16) {
      for row in $0 {
        let place = row * size.channels
        kernels.multiply_add(
          residual + place, vector + row / size.positions * stride, input + place, target + place,
          size.channels)
      }
    }
  }

  func compute(_ operation: Activate, _ output: Value) {
    activate(
      operation.activation, floats(operation.input), floats(output),
      0..<shape(output).elementCount)
  }

  func activate(
    _ activation: Activation, _ input: UnsafeMutablePointer<Float>,
    _ output: UnsafeMutablePointer<Float>, _ elements: Range<Int>
  ) {
    pool.forEachRange(elements.count, minimum: Self.elements) {
      let place = elements.lowerBound + $0.lowerBound
      kernels.activate(
        input + place, activation.kernelActivation, output + place, $0.count)
    }
  }

  func compute(_ operation: GatedLinearUnit, _ output: Value) {
    let channels = shape(output).channels
    let (input, target) = (floats(operation.input), floats(output))
    pool.forEachRange(shape(output).rows, minimum: 16) {
      for row in $0 {
        let gate = input + 2 * row * channels
        kernels.gate(
          gate, operation.activation.kernelActivation, gate + channels, target + row * channels,
          channels)
      }
    }
  }
}
