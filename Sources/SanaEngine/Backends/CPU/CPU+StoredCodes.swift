internal import CKernels
internal import SanaGraph

extension CPUExecutable {
  /// A product of int8 activations by codes as they are stored.
  func multiplyCodes(
    _ operation: Linear, _ weight: sana_matrix, _ coding: sana_row_coding, _ output: Value,
    _ scratch: UnsafeMutableRawPointer
  ) {
    let size = shape(operation.input)
    let layout = device.scratch(
      for: operation, size, planes: coding.planes, multipliesStoredCodes: true)
    let product = linear(operation, weight, output)
    for first in stride(from: 0, to: size.rows, by: CPUDevice.quantizedRowsAtOnce) {
      let range = first..<min(first + CPUDevice.quantizedRowsAtOnce, size.rows)
      let rows = quantize(range, of: operation.input, nil, coding, to: scratch)
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
