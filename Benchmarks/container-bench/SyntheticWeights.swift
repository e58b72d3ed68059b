import CKernels
import Foundation
import WeightFormats

/// A transformer of normally distributed weights with log-normal row scales, which no filter finds easier than trained ones.
struct SyntheticWeights {
  private static let columns = 2240
  private static let rows = 13440

  let encoding: TensorEncoding
  /// Bytes of the values of all tensors.
  let byteCount: Int
  private let tensors: [TensorDescription]
  /// Values of the first rows, which the others repeat: chunks are compressed apart from each other, so none sees that.
  private let pattern: [UInt8]
  private let patternRows: Int

  init(encoding: TensorEncoding, byteCount: Int) {
    self.encoding = encoding
    let one = TensorDescription(name: "", shape: [Self.rows, Self.columns], encoding: encoding)
    let count = max(byteCount / one.valueByteCount, 1)
    tensors = (0..<count).map { block in
      TensorDescription(
        name: "transformer_blocks.\(block).ff.conv_inverted.weight", shape: one.shape,
        encoding: encoding)
    }
    self.byteCount = count * one.valueByteCount
    patternRows = (2 << 20) / Self.columns
    pattern = Self.encoded(rows: patternRows, encoding: encoding)
  }

  func write(to path: String) throws {
    let writer = try ContainerWriter(path: path, compression: .small)
    try writer.beginComponent(.transformer, metadata: .object([]))
    for tensor in tensors {
      try writer.append(tensor) { [pattern, patternRows] band in
        let rowBytes = pattern.count / patternRows
        pattern.withUnsafeBytes { pattern in
          for (index, row) in band.rows.enumerated() {
            let source = row % patternRows * rowBytes
            band.values.baseAddress?.advanced(by: index * rowBytes).copyMemory(
              from: pattern.baseAddress! + source, byteCount: rowBytes)
          }
        }
        for index in band.scales.indices { band.scales[index] = 0.01 }
      }
    }
    try writer.finish(metadata: .object([]))
  }

  /// Loads every tensor and lets go of it again.
  func load(from file: ModelFile) throws {
    let source = try file.source(for: .transformer)
    for tensor in tensors { _ = try source.load(tensor.name) }
  }

  private static func encoded(rows: Int, encoding: TensorEncoding) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    func normal() -> Float {
      let radius = (-2 * log(Float.random(in: .leastNonzeroMagnitude..<1, using: &generator)))
        .squareRoot()
      return radius * cos(2 * .pi * Float.random(in: 0..<1, using: &generator))
    }
    var numbers: [Float] = []
    for _ in 0..<rows {
      let scale = 0.02 * exp(0.5 * normal())
      for _ in 0..<columns { numbers.append(scale * normal()) }
    }
    switch encoding {
    case .f16, .bf16:
      var halves = [UInt16](repeating: 0, count: numbers.count)
      if encoding == .f16 {
        sana_f32_to_f16(numbers, &halves, numbers.count)
      } else {
        sana_f32_to_bf16(numbers, &halves, numbers.count)
      }
      return halves.withUnsafeBytes { Array($0) }
    case .int8PerChannel:
      var codes = [Int8](repeating: 0, count: numbers.count)
      var scales = [Float](repeating: 0, count: rows)
      sana_quantize_rows(numbers, rows, columns, columns, 127, &codes, &scales)
      return codes.map { UInt8(bitPattern: $0) }
    default: return numbers.withUnsafeBytes { Array($0) }
    }
  }
}
