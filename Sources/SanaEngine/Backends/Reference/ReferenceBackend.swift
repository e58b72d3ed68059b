public import SanaGraph
public import Support
public import WeightFormats

/// The definition of every operation: plain loops that read like the formulas, accumulate in double precision and round once to
/// f32, so that its results are nearer to the exact ones than those of any f32 implementation. Slow on purpose.
///
/// Faster back ends are tested against it, and it against PyTorch's traces. It honours the memory plan for real: one
/// arena, values at their planned offsets, in-place where the plan says so.
public final class ReferenceBackend: Backend {
  public let name = "reference"
  public let precision: ComputePrecision
  public var cancellation: CancellationToken? { nil }
  private let winograd: WinogradTile

  /// - Parameter winograd: how 3x3 convolutions of int8 activations are defined.
  public init(precision: ComputePrecision = .auto, winograd: WinogradTile = .twoByTwo) {
    self.precision = precision
    self.winograd = winograd
  }

  public func plan(_ graph: Graph, weights source: any WeightSource) -> MemoryPlan {
    MemoryPlan(graph)
  }

  public func residentBytes(of weight: TensorDescription) -> Int {
    weight.elementCount * MemoryLayout<Double>.size
  }

  public func keepsLoadedBytes(of weight: TensorDescription) -> Bool { false }

  public func load(_ source: any WeightSource) -> any ResidentModel {
    ReferenceModel(source: source, precision: precision, winograd: winograd)
  }
}

/// One component's weights, decoded to doubles.
final class ReferenceModel: ResidentModel {
  private let source: any WeightSource
  private let precision: ComputePrecision
  private let winograd: WinogradTile
  private var weights: [String: ReferenceWeight] = [:]

  init(source: any WeightSource, precision: ComputePrecision, winograd: WinogradTile) {
    self.source = source
    self.precision = precision
    self.winograd = winograd
  }

  var residentBytes: Int {
    weights.values.reduce(0) { $0 + $1.values.count * MemoryLayout<Double>.size }
  }

  func prepare(_ graph: Graph) throws -> any Executable {
    for parameter in graph.parameters { try makeResident(parameter) }
    return ReferenceExecutable(
      graph: graph, weights: weights, source: source, precision: precision, winograd: winograd)
  }

  private func makeResident(_ parameter: Parameter) throws {
    _ = try source.description(of: parameter)
    guard parameter.access == .whole, weights[parameter.name] == nil else { return }
    weights[parameter.name] = try ReferenceWeight(
      source.load(parameter.name), precision: precision)
  }
}
