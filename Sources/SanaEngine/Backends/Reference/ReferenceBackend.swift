public import SanaGraph
internal import Support
public import WeightFormats

/// The definition of every operation: plain loops that read like the formulas, accumulate in double precision and round once to
/// f32, so that its results are nearer to the exact ones than those of any f32 implementation. Slow on purpose.
///
/// Faster back ends are tested against it, and it against PyTorch's traces. It honours the memory plan for real: one
/// arena, values at their planned offsets, in-place where the plan says so.
public final class ReferenceBackend: Backend {
  public let name = "reference"
  public let precision: ComputePrecision
  public let ledger = MemoryLedger()
  private let winograd: WinogradTile

  /// - Parameter winograd: how 3x3 convolutions of int8 activations are defined.
  public init(precision: ComputePrecision = .auto, winograd: WinogradTile = .twoByTwo) {
    self.precision = precision
    self.winograd = winograd
  }

  public func measurePeak() -> ProcessorPeak? { nil }

  public func load(_ source: any WeightSource, ledger: MemoryLedger) -> any ResidentModel {
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

  func plan(_ graph: Graph, _ choices: ExecutionChoices) throws -> any PlannedGraph {
    let weights = try graph.parameters.filter { $0.access == .whole }.map { parameter in
      let description = try source.description(of: parameter)
      return ExecutionPlan.Weight(
        name: parameter.name, byteCount: description.elementCount * MemoryLayout<Double>.size,
        stagingBytes: description.valueByteCount, isResident: true)
    }
    return ReferencePlan(
      plan: ExecutionPlan(
        graph: graph, choices: choices,
        steps: graph.nodes.indices.map {
          ExecutionPlan.Step(nodes: $0...$0, form: "node", segment: 0)
        },
        memory: MemoryPlan(graph), weights: weights, slotBytes: 0, slotStagingBytes: 0),
      model: self)
  }

  fileprivate func prepare(_ plan: ExecutionPlan) throws -> any Executable {
    for parameter in plan.graph.parameters { try makeResident(parameter) }
    return ReferenceExecutable(
      plan: plan, weights: weights, source: source, precision: precision, winograd: winograd)
  }

  func run(_ executables: [any Executable], _ context: RunContext) throws {
    for executable in executables { try executable.run(context) }
  }

  /// Graphs share no memory here.
  func releaseWorkspace() {}

  private func makeResident(_ parameter: Parameter) throws {
    let description = try source.description(of: parameter)
    guard parameter.access == .whole, weights[parameter.name] == nil else { return }
    weights[parameter.name] = try ReferenceWeight(
      source.load(description), factors: source.inputFactors(of: description),
      precision: precision)
  }
}

/// A plan in which every node is a step and every weight stays.
private final class ReferencePlan: PlannedGraph {
  let plan: ExecutionPlan
  private let model: ReferenceModel

  init(plan: ExecutionPlan, model: ReferenceModel) {
    self.plan = plan
    self.model = model
  }

  func prepare(_ context: RunContext) throws -> any Executable { try model.prepare(plan) }
}
