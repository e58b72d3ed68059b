internal import CKernels
internal import SanaGraph
internal import WeightFormats

extension CPUExecutable {
  /// A linear layer whose weight is loaded for it, used as it is stored, and released.
  func computeOnce(
    _ operation: Linear, _ output: Value, _ scratch: UnsafeMutableRawPointer
  ) throws {
    let tensor = try load(operation.weight)
    let weight = try CPUWeight(tensor, isPacked: false, on: device)
    withExtendedLifetime(weight) {
      guard let matrix = weight.matrix else {
        preconditionFailure("\(operation.weight.name) is no matrix")
      }
      if device.multipliesInt8AsStored(tensor.description) {
        multiplyCodes(operation, matrix, output, scratch)
      } else {
        multiply(operation, matrix, output, scratch)
      }
    }
  }

  /// A product of int8 activations by codes as they are stored.
  private func multiplyCodes(
    _ operation: Linear, _ weight: sana_matrix, _ output: Value, _ scratch: UnsafeMutableRawPointer
  ) {
    let size = shape(operation.input)
    let layout = device.scratch(for: operation, size)
    let product = linear(operation, weight, output)
    for first in stride(from: 0, to: size.rows, by: CPUDevice.quantizedRowsAtOnce) {
      let range = first..<min(first + CPUDevice.quantizedRowsAtOnce, size.rows)
      let rows = quantize(range, of: operation.input, to: scratch)
      let tasks = ProductTasks.stored(
        rows: range.count, columns: weight.rows,
        columnLength: kernels.int8_stored_columns(weight.columns), threads: pool.size)
      withUnsafePointer(to: product) { product in
        withUnsafePointer(to: rows) { rows in
          pool.forEach(tasks.count) { index, worker in
            let columns = tasks[index].columns
            kernels.product_int8_stored(
              product, rows, range.lowerBound, range.upperBound, columns.lowerBound,
              columns.upperBound, layout.worker(worker, at: scratch))
          }
        }
      }
    }
  }
}

extension CPUDevice {
  /// Whether a weight that does not stay is multiplied with int8 activations.
  func multipliesInt8AsStored(_ weight: TensorDescription) -> Bool {
    if case .packed = storage(of: weight) { true } else { false }
  }
}
