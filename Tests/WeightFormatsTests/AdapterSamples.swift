import TestSupport
import Testing
import WeightFormats

/// Adapters for the small transformer, made by hand, and what they should make of its matrices.
struct AdapterSamples {
  let directory: TestDirectory

  static let transformer = Checkpoints.path("sana-tiny") + "/transformer"

  /// Numbers of one tensor, row by row.
  struct Matrix {
    let shape: [Int]
    let values: [Float]

    init(_ shape: [Int], seed: UInt64) {
      var random = SplitMix(seed: seed)
      self.shape = shape
      values = (0..<shape.reduce(1, *)).map { _ in Float.random(in: -1...1, using: &random) }
    }

    init(_ shape: [Int], _ values: [Float]) { (self.shape, self.values) = (shape, values) }

    init(number: Float) { (shape, values) = ([], [number]) }

    var doubles: [Double] { values.map(Double.init) }
  }

  /// A tensor of a type of its own.
  struct Stored {
    let shape: [Int]
    let type: ScalarType
    let bytes: [UInt8]

    init(_ shape: [Int], _ type: ScalarType, _ bytes: [UInt8]) {
      (self.shape, self.type, self.bytes) = (shape, type, bytes)
    }

    init(_ matrix: Matrix) {
      self.init(matrix.shape, .f32, matrix.values.flatMap { [UInt8].little($0.bitPattern) })
    }
  }

  func file(
    _ tensors: [String: Matrix], _ name: String = "x.safetensors",
    stored: [String: Stored] = [:], metadata: [String: String] = [:]
  ) throws -> String {
    let path = directory.path(name)
    let all = tensors.mapValues(Stored.init).merging(stored) { $1 }
    let writer = try SafetensorsWriter(
      path: path,
      tensors: all.map { CheckpointTensor(name: $0, type: $1.type, shape: $1.shape) },
      metadata: metadata)
    for (name, tensor) in all {
      try tensor.bytes.withUnsafeBytes { try writer.write($0, as: name) }
    }
    try writer.finish()
    return path
  }

  static func component() throws -> OfficialComponent {
    try #require(try OfficialCheckpoint(path: transformer).components.first)
  }

  static func shape(_ name: String) throws -> (Int, Int) {
    try #require(try component().weights.tensor(named: name)?.matrixShape)
  }

  /// The numbers of a matrix without adapters.
  static func original(_ name: String) throws -> [Double] {
    try #require(try component().weights.elements(of: name)).withFloats { $0.map(Double.init) }
  }

  /// `left * right`, of `[rows, inner]` and `[inner, columns]`.
  static func product(_ left: [Double], _ right: [Double], inner: Int) -> [Double] {
    let (rows, columns) = (left.count / inner, right.count / inner)
    return (0..<rows * columns).map { index in
      let (row, column) = (index / columns, index % columns)
      return (0..<inner).reduce(0.0) {
        $0 + left[row * inner + $1] * right[$1 * columns + column]
      }
    }
  }

  /// The weights with `factor * up * down` added, in double precision.
  static func expected(
    _ name: String, _ terms: [(up: Matrix, down: Matrix, factor: Double)]
  ) throws -> [Double] {
    try terms.reduce(original(name)) { sum, term in
      let rank = term.down.shape[0]
      return zip(sum, product(term.up.doubles, term.down.doubles, inner: rank))
        .map { $0 + term.factor * $1 }
    }
  }

  /// A matrix of the small transformer with adapters merged in.
  static func merged(_ name: String, _ adapters: [LowRankAdapter]) throws -> [Float] {
    let weights = try component().weights
    let tensors = try AdapterMerging(adapters, networks: [(.transformer, weights)])
      .adapted(weights, of: .transformer)
    return try #require(try tensors.elements(of: name)).withFloats(Array.init)
  }

  static func expectClose(
    _ found: [Float], _ expected: [Double], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(found.count == expected.count, sourceLocation: sourceLocation)
    let worst = zip(found, expected).map { abs(Double($0) - $1) / max(1, abs($1)) }.max() ?? 0
    #expect(worst < 2e-6, sourceLocation: sourceLocation)
  }
}
