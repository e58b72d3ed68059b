internal import CKernels
internal import WeightFormats

/// Packed codes, their scales and their offsets in memory.
struct PackedCodes {
  let codes: UnsafeMutablePointer<Int8>
  let scales: UnsafeMutablePointer<Float>
  let offsets: UnsafeMutablePointer<Int32>

  static func byteCount(codeBytes: Int, rows: Int) -> Int {
    codeBytes + rows * (MemoryLayout<Float>.size + MemoryLayout<Int32>.size)
  }

  init(codeBytes: Int, rows: Int, at start: UnsafeMutableRawPointer) {
    // Codes first: their size is a multiple of a panel, so what follows is aligned.
    codes = start.bindMemory(to: Int8.self, capacity: codeBytes)
    scales = (start + codeBytes).bindMemory(to: Float.self, capacity: rows)
    offsets = (start + codeBytes + rows * MemoryLayout<Float>.size)
      .bindMemory(to: Int32.self, capacity: rows)
  }

  func matrix(rows: Int, columns: Int, _ coding: sana_row_coding) -> sana_int8_matrix {
    sana_int8_matrix(
      codes: codes, scales: scales, offsets: offsets, coding: coding, rows: rows, columns: columns)
  }
}
