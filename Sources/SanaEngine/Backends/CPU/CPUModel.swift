internal import SanaGraph
internal import WeightFormats

/// One component's weights on the CPU.
final class CPUModel: ResidentModel {
  private let source: any WeightSource
  private let device: CPUDevice
  private var weights: [CPUWeightKey: CPUWeight] = [:]

  init(source: any WeightSource, device: CPUDevice) {
    self.source = source
    self.device = device
  }

  var residentBytes: Int { weights.values.reduce(0) { $0 + $1.residentBytes } }

  func prepare(_ graph: Graph) throws -> any Executable {
    var used: [CPUWeightKey: CPUWeight] = [:]
    for node in graph.nodes {
      for parameter in node.operation.payload.parameters {
        try device.cancellation?.check()
        guard parameter.access == .whole else {
          _ = try source.description(of: parameter)
          continue
        }
        let (key, weight) = try resident(parameter, in: node.operation)
        used[key] = weight
      }
    }
    // The last weight may have been packed in part.
    try device.cancellation?.check()
    return try CPUExecutable(graph: graph, weights: used, source: source, device: device)
  }

  private func resident(
    _ parameter: Parameter, in operation: Operation
  ) throws -> (CPUWeightKey, CPUWeight) {
    let description = try source.description(of: parameter)
    // Whatever else a file says int8 activations are for reads its weight as stored.
    let isPacked = operation.takesInt8Activations && device.storage(of: description).isPacked
    let key = CPUWeightKey(name: parameter.name, isPacked: isPacked)
    if let weight = weights[key] { return (key, weight) }

    let weight = try CPUWeight(source.load(description), isPacked: isPacked, on: device)
    weights[key] = weight
    return (key, weight)
  }
}

/// A weight in one of the forms in which it can be resident.
struct CPUWeightKey: Hashable {
  let name: String
  let isPacked: Bool
}
