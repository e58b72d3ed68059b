internal import SanaGraph
internal import SanaModels
internal import Support
internal import WeightFormats

/// Stops a run before it can draw a wrong picture, and looks for the weight that is to blame.
struct FiniteCheck {
  let component: ComponentKind
  let source: any WeightSource
  let precision: ComputePrecision
  var cancellation: CancellationToken?

  init(
    _ component: ComponentKind, _ source: any WeightSource, _ backend: any Backend,
    _ cancellation: CancellationToken?
  ) {
    self.component = component
    self.source = source
    precision = backend.precision
    self.cancellation = cancellation
  }

  /// - Parameters:
  ///   - graphs: those that the numbers come from.
  ///   - rows: what was read of a table of embeddings.
  /// - Throws: `.numericalFailure` when any number is infinite or NaN, with the value's name, and
  ///   that of the first weight of the graphs that holds such a number; `.cancelled`, and what
  ///   reading the weights throws.
  func require(
    _ tensor: HostTensor, _ name: @autoclosure () -> String,
    from graphs: @autoclosure () -> [Graph], rows: @autoclosure () -> [Int] = []
  ) throws {
    try tensor.values.withUnsafeBufferPointer {
      try require($0, name(), from: graphs(), rows: rows())
    }
  }

  /// The same for numbers that are a part of a value.
  func require(
    _ values: UnsafeBufferPointer<Float>, _ name: @autoclosure () -> String,
    from graphs: @autoclosure () -> [Graph], rows: @autoclosure () -> [Int] = []
  ) throws {
    guard let kind = values.nonFiniteKind else { return }
    let what = "'\(name())' holds \(kind)"
    var survey = WeightSurvey()
    var seen: Set<String> = []
    for node in graphs().flatMap(\.nodes) {
      for parameter in node.operation.payload.parameters
      where seen.insert(parameter.name).inserted {
        try cancellation?.check()
        if case .embeddingLookup = node.operation {
          survey.add(try source.loadRows(rows(), of: parameter.name))
        } else {
          survey.add(try source.load(parameter.name))
        }
      }
    }
    if let (weight, others) = survey.nonFinite {
      throw SanaError(
        .numericalFailure,
        "\(what) because the \(component.rawValue)'s weight '\(weight)'"
          + (others > 0 ? ", like \(others) others," : "") + " does",
        remedy: "convert the model again from a checkpoint without NaN and infinity")
    }
    let largest = survey.largest.map { "; the largest, \($0.value), is in '\($0.name)'" } ?? ""
    throw SanaError(
      .numericalFailure,
      "\(what), though all weights of the \(component.rawValue) that were used are finite\(largest)",
      remedy: precision == .f32
        ? "convert the model again from the official checkpoint"
        : "try --precision f32, or convert the model again from the official checkpoint")
  }
}

extension UnsafeBufferPointer<Float> {
  /// What the numbers are that are not finite; nil where all are.
  fileprivate var nonFiniteKind: String? {
    // One pass without branches: only an infinite or NaN factor makes a product with zero anything
    // but zero.
    let residue = reduce(0) { $0 + $1 * 0 }
    guard !(residue == 0) else { return nil }
    return contains { $0.isNaN } ? "NaN" : "infinite numbers"
  }
}
