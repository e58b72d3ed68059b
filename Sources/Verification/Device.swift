internal import SanaEngine
internal import WeightFormats

/// A back end with a limit on what may be held on it at once.
struct Device {
  let backend: any Backend
  let memoryLimit: Int?

  /// Makes a graph ready to run.
  ///
  /// - Parameters:
  ///   - model: a component loaded on the back end; keeps its weights until it goes away.
  ///   - source: the same component's weights.
  /// - Throws: `.memoryLimit` before anything is allocated when weights and activations would take more than the limit.
  func prepare(
    _ graph: Graph, on model: any ResidentModel, from source: any WeightSource
  ) throws -> any Executable {
    if let memoryLimit {
      let weights = graph.parameters.compactMap { source.description(of: $0.name) }
        .reduce(0) { $0 + backend.residentBytes(of: $1) }
      let needed = max(weights, model.residentBytes) + backend.plan(graph).arenaBytes
      guard needed <= memoryLimit else {
        throw SanaError(
          .memoryLimit,
          "\(graph.name) needs \(needed) bytes, more than the limit of \(memoryLimit)",
          remedy: "allow at least \(needed) bytes")
      }
    }
    return try model.prepare(graph)
  }
}
