internal import Synchronization

/// A network's tensors with adapters merged into them. The sums are made when numbers are read, in
/// f32, and are not rounded here.
struct AdaptedTensors: CheckpointTensors {
  private let base: any CheckpointTensors
  private let changes: [String: [AdapterMerging.Change]]
  private let merging: AdapterMerging
  private let lengths = DecomposedLengths()

  init(
    _ base: any CheckpointTensors, changes: [String: [AdapterMerging.Change]],
    merging: AdapterMerging
  ) {
    self.base = base
    self.changes = changes
    self.merging = merging
  }

  var sourceFiles: [SourceFile] { base.sourceFiles }

  var tensors: [CheckpointTensor] { base.tensors }

  func tensor(named name: String) -> CheckpointTensor? { base.tensor(named: name) }

  var sampleSize: Int? { base.sampleSize }

  func origin(of name: String) -> TensorOrigin? { base.origin(of: name) }

  func elements(of name: String) throws -> TensorElements? {
    guard let original = try base.elements(of: name), let shape = tensor(named: name)?.shape,
      let changes = changes[name]
    else { return try base.elements(of: name) }
    let columns = original.count / max(shape.first ?? 1, 1)
    let steps = try changes.compactMap { try step($0, shape: shape) }
    return original.updated(by: WeightUpdate(steps: steps, columns: columns))
  }

  /// What one adapter does to a tensor.
  private func step(
    _ change: AdapterMerging.Change, shape: [Int]
  ) throws -> WeightUpdate.Step? {
    let adapter = merging.adapters[change.adapter]
    let module = adapter.modules[change.module]
    guard let delta = try module.delta() else { return nil }
    let factor = adapter.factors[change.module].value
    func step(
      _ magnitude: WeightUpdate.Magnitude?, factor: Double, strength: Double = 1
    ) -> WeightUpdate.Step {
      WeightUpdate.Step(
        delta: module.isView(of: shape) ? delta.whole(columns: module.columns) : delta,
        firstRow: change.rows.lowerBound, factor: Float(factor), magnitude: magnitude,
        strength: Float(strength))
    }
    if let lengths = try module.numbers(of: .magnitude) {
      // PEFT scales what is added, and gives the sum its length.
      return step(.rows(lengths), factor: adapter.scale * factor)
    }
    guard let lengths = try module.numbers(of: .scale) else {
      return step(nil, factor: adapter.scale * factor)
    }
    // LyCORIS makes the whole change, and takes a part of it.
    let rows = merging.targets[change.adapter][change.module].last?.rows.upperBound ?? 0
    let inputs = shape.count < 2 ? 1 : shape[1]
    if module.decomposedAxis(rows: rows, inputs: inputs) == .rows {
      return step(.rows(lengths), factor: factor, strength: adapter.scale)
    }
    let factors = try self.lengths.factors(of: change) {
      try columnFactors(change, delta, factor: factor, lengths, inputs: inputs)
    }
    return step(.factors(factors), factor: factor, strength: adapter.scale)
  }

  /// What every input's numbers are multiplied by to get the lengths that an adapter gives to the
  /// columns of all matrices that it changes at once.
  private func columnFactors(
    _ change: AdapterMerging.Change, _ delta: WeightUpdate.Delta, factor: Double,
    _ lengths: TensorBytes, inputs: Int
  ) throws -> TensorBytes {
    var squares = [Double](repeating: 0, count: inputs)
    for target in merging.targets[change.adapter][change.module] {
      guard let original = try base.elements(of: target.name) else { continue }
      let columns = original.count / max(target.rows.count, 1)
      let earlier = try (changes[target.name] ?? []).filter { $0.adapter < change.adapter }
        .compactMap { try step($0, shape: target.shape) }
      let sum = original.updated(
        by: WeightUpdate(
          steps: earlier + [
            .init(
              delta: delta, firstRow: target.rows.lowerBound, factor: Float(factor),
              magnitude: nil, strength: 1)
          ], columns: columns))
      let width = columns / max(inputs, 1)
      let band = max((1 << 18) / max(columns, 1), 1)
      for first in stride(from: 0, to: target.rows.count, by: band) {
        let end = min(first + band, target.rows.count)
        let range = first * columns..<end * columns
        try sum.populate(range)
        sum.slice(range).withFloats { numbers in
          for row in 0..<end - first {
            for input in 0..<inputs {
              for index in 0..<width {
                let number = Double(numbers[row * columns + input * width + index])
                squares[input] += number * number
              }
            }
          }
        }
        sum.evict(range)
      }
    }
    return TensorBytes(floatCount: inputs) { factors in
      for input in 0..<inputs where squares[input] > 0 {
        factors[input] = Float(Double(lengths.floats[input]) / squares[input].squareRoot())
      }
    }
  }
}

/// What has been found of the lengths of columns: several tensors may need it, from any thread.
private final class DecomposedLengths: Sendable {
  private struct Key: Hashable {
    let adapter: Int
    let module: Int
  }

  private let found = Mutex<[Key: TensorBytes]>([:])

  func factors(
    of change: AdapterMerging.Change, _ make: () throws -> TensorBytes
  ) rethrows -> TensorBytes {
    let key = Key(adapter: change.adapter, module: change.module)
    if let factors = found.withLock({ $0[key] }) { return factors }
    let factors = try make()
    found.withLock { $0[key] = factors }
    return factors
  }
}

extension WeightUpdate.Delta {
  /// The one row that it has, as numbers.
  fileprivate func whole(columns: Int) -> WeightUpdate.Delta {
    .whole(
      TensorBytes(floatCount: columns) { numbers in
        add(row: 0, times: 1, to: numbers, scratch: numbers)
      })
  }
}
