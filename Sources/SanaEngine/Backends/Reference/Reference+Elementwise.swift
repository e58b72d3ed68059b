internal import SanaGraph

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

extension ReferenceExecutable {
  func compute(_ operation: Add, _ output: ReferenceActivation) {
    let first = activation(operation.first)
    let second = activation(operation.second)
    output.forEachRow { row, _ in
      for channel in 0..<output.shape.channels {
        output[row: row, channel] =
          first[row: row, channel] + second[row: row % second.shape.rows, channel]
      }
    }
  }

  func compute(_ operation: GatedResidual, _ output: ReferenceActivation) {
    let input = activation(operation.input)
    let residual = activation(operation.residual)
    let gate = operation.gate.map { modulation($0, channels: output.shape.channels) }
    output.forEachRow { row, batch in
      for channel in 0..<output.shape.channels {
        output[row: row, channel] =
          residual[row: row, channel] + (gate?[batch, channel] ?? 1) * input[row: row, channel]
      }
    }
  }

  func compute(_ operation: Activate, _ output: ReferenceActivation) {
    let input = activation(operation.input)
    output.forEachRow { row, _ in
      for channel in 0..<output.shape.channels {
        output[row: row, channel] = operation.activation.apply(input[row: row, channel])
      }
    }
  }

  func compute(_ operation: GatedLinearUnit, _ output: ReferenceActivation) {
    let input = activation(operation.input)
    let channels = output.shape.channels
    output.forEachRow { row, _ in
      for channel in 0..<channels {
        output[row: row, channel] =
          operation.activation.apply(input[row: row, channel]) * input[row: row, channels + channel]
      }
    }
  }
}

extension Activation {
  func apply(_ x: Double) -> Double {
    switch self {
    case .none: x
    case .relu: max(x, 0)
    case .silu: x / (1 + exp(-x))
    case .geluTanh: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    }
  }
}
