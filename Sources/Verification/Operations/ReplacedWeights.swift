internal import Support
internal import WeightFormats

/// One model's weights with some of another's in their place.
struct ReplacedWeights: WeightSource {
  let base: any WeightSource
  let replacement: any WeightSource
  /// Which are the replacement's.
  let names: Set<String>

  private func source(of name: String) -> any WeightSource {
    names.contains(name) ? replacement : base
  }

  func description(of name: String) -> TensorDescription? {
    source(of: name).description(of: name)
  }

  func load(_ name: String) throws -> StoredTensor { try source(of: name).load(name) }

  func read(
    _ name: String, into values: UnsafeMutableRawBufferPointer,
    scales: UnsafeMutableBufferPointer<Float>, on loops: any LoopRunner
  ) throws {
    try source(of: name).read(name, into: values, scales: scales, on: loops)
  }

  func readingScratchBytes(of name: String) -> Int {
    source(of: name).readingScratchBytes(of: name)
  }

  func loadRows(
    _ rows: [Int], of name: String, on loops: any LoopRunner
  ) throws -> StoredTensor {
    try source(of: name).loadRows(rows, of: name, on: loops)
  }
}
