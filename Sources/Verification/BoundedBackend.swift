internal import SanaEngine
internal import SanaGraph
internal import Support
internal import WeightFormats

/// A back end that refuses graphs which would take it over a limit.
final class BoundedBackend: Backend {
  private let base: any Backend
  private let limit: Int

  /// - Parameter limit: bytes that the weights of one component and the activations of its graphs in use may take together.
  init(_ base: any Backend, limit: Int) {
    self.base = base
    self.limit = limit
  }

  var name: String { base.name }
  var precision: ComputePrecision { base.precision }
  var cancellation: CancellationToken? { base.cancellation }

  func plan(_ graph: Graph, weights source: any WeightSource) -> MemoryPlan {
    base.plan(graph, weights: source)
  }

  func residentBytes(of weight: TensorDescription) -> Int { base.residentBytes(of: weight) }

  func keepsLoadedBytes(of weight: TensorDescription) -> Bool {
    base.keepsLoadedBytes(of: weight)
  }

  func load(_ source: any WeightSource) -> any ResidentModel {
    Model(backend: self, source: source, base: base.load(source))
  }

  private final class Model: ResidentModel {
    private let backend: BoundedBackend
    private let source: any WeightSource
    private let base: any ResidentModel
    private var prepared: [Prepared] = []

    /// A graph that may still be in use.
    private struct Prepared {
      weak var executable: (any Executable)?
    }

    init(backend: BoundedBackend, source: any WeightSource, base: any ResidentModel) {
      self.backend = backend
      self.source = source
      self.base = base
    }

    var residentBytes: Int { base.residentBytes }

    func prepare(_ graph: Graph) throws -> any Executable {
      func weights(_ access: Parameter.Access) -> [TensorDescription] {
        graph.parameters.filter { $0.access == access }.compactMap {
          source.description(of: $0.name)
        }
      }
      let resident = weights(.whole).reduce(0) { $0 + backend.residentBytes(of: $1) }
      let largestReadOnce = weights(.once).map(backend.residentBytes).max() ?? 0
      // The original of a weight that is being rearranged exists beside its copy.
      let largestOriginal =
        (weights(.whole) + weights(.once)).filter { !backend.keepsLoadedBytes(of: $0) }.map(
          \.valueByteCount
        ).max() ?? 0
      let inUse = prepared.compactMap(\.executable)
      let arenaBytes =
        inUse.reduce(backend.plan(graph, weights: source).arenaBytes) { $0 + $1.plan.arenaBytes }
      let needed =
        max(resident, residentBytes) + largestReadOnce + max(largestOriginal, arenaBytes)
      guard needed <= backend.limit else {
        throw SanaError(
          .memoryLimit,
          "\(graph.name) needs \(needed) bytes, more than the limit of \(backend.limit)",
          remedy: "allow at least \(needed) bytes; later parts may need more")
      }
      let executable = try base.prepare(graph)
      prepared = (inUse + [executable]).map(Prepared.init)
      return executable
    }
  }
}
