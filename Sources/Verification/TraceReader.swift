internal import SanaEngine
internal import SanaGraph
internal import Support
internal import Traces

/// Reads tensors of a trace with the shape that the model expects of them.
struct TraceReader {
  let trace: TraceFile

  /// - Throws: `.tensorMismatch` when the dataset has another shape.
  func floats(_ path: String, shape: [Int]) throws -> [Float] {
    let array = try trace.floats(path)
    try check(array.shape, shape, path)
    return array.values
  }

  func integers(_ path: String, shape: [Int]) throws -> [Int32] {
    let array = try trace.int32(path)
    try check(array.shape, shape, path)
    return array.values
  }

  func bytes(_ path: String, shape: [Int]) throws -> [UInt8] {
    let array = try trace.uint8(path)
    try check(array.shape, shape, path)
    return array.values
  }

  /// Images or latents, which PyTorch keeps channels first.
  func tensor(_ path: String, _ shape: Shape) throws -> HostTensor {
    HostTensor(shape, channelsFirst: try floats(path, shape: shape.channelsFirst))
  }

  func check(_ found: [Int], _ expected: [Int], _ path: String) throws {
    guard found == expected else {
      throw mismatch("'\(path.abbreviated)' has shape \(found), the model makes \(expected)")
    }
  }

  /// The trace is of another model than this one.
  func mismatch(_ what: String) -> SanaError {
    SanaError(
      .tensorMismatch, what, remedy: "verify with a trace of the same model",
      location: trace.path)
  }
}

extension Shape {
  /// PyTorch's order of the axes.
  var channelsFirst: [Int] { [batch, channels, height, width] }
}
