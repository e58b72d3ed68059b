internal import CKernels
internal import SanaGraph
internal import WeightFormats

/// How the CPU executes a graph: its steps, the form and place of its weights, its memory.
final class CPUPlan: PlannedGraph {
  let plan: ExecutionPlan
  let steps: [CPUStep]
  /// The steps of each part of a run: of a segment, or, where weights are used once, of a step.
  let parts: [Range<Int>]
  /// The weights that stay, in the order of their use.
  let resident: [CPUPlannedWeight]
  /// The others by the part that reads them; empty for those whose weights all stay.
  let streamed: [[CPUPlannedWeight]]
  /// The memory that parts whose weights do not stay take in turn: with two slots, the next part's
  /// weights are loaded while one is computed.
  let slotCount: Int
  /// Bytes of each.
  let slotBytes: Int
  /// The most bytes of the file that are mapped beside them.
  let mappedBytes: Int
  private let model: CPUModel

  var graph: Graph { plan.graph }

  init(_ graph: Graph, _ choices: ExecutionChoices, for model: CPUModel) throws {
    self.model = model
    let device = model.device
    let source = model.source
    let isUsedOnce = choices.residency == .once
    let reading = CPUWeightForms(
      source: source, device: device, isUsedOnce: isUsedOnce,
      bandPositions: choices.bandPositions ?? device.bandPositions)
    let steps = device.steps(graph, reading)
    let segments = Self.segments(of: graph, steps)
    let parts = isUsedOnce ? steps.indices.map { $0..<$0 + 1 } : segments

    let weights = try parts.map { part in
      var seen: Set<CPUWeightKey> = []
      return try steps[part].flatMap { step in
        try graph.nodes[step.nodes].flatMap { node in
          try node.operation.payload.parameters.compactMap {
            parameter -> CPUPlannedWeight? in
            let description = try source.description(of: parameter)
            guard parameter.access == .whole else { return nil }
            let weight = reading.planned(description, in: node.operation)
            return seen.insert(weight.key).inserted ? weight : nil
          }
        }
      }
    }
    let stays = CPUResidentParts(weights, choices.residency)
    self.steps = steps
    self.parts = parts
    resident = stays.resident
    streamed = stays.streamed
    slotCount = stays.slotCount
    slotBytes = stays.slotBytes
    mappedBytes = stays.mappedBytes
    let memory = MemoryPlan(
      graph, steps: device.memorySteps(graph, steps: steps, reading),
      keepingBetween: choices.keepsValues ? segments : [])
    plan = ExecutionPlan(
      graph: graph, choices: choices,
      steps: steps.map { step in
        ExecutionPlan.Step(
          nodes: step.nodes, form: step.form.name,
          segment: graph.segmentEnds.count { $0 <= step.nodes.lowerBound })
      },
      memory: memory,
      weights: stays.described,
      slotBytes: stays.slotBytes * stays.slotCount + stays.mappedBytes,
      slotStagingBytes: stays.slotStagingBytes)
  }

  /// Steps up to the end of each of the graph's segments; where a step reaches beyond an end, up to
  /// the next.
  private static func segments(of graph: Graph, _ steps: [CPUStep]) -> [Range<Int>] {
    var segments: [Range<Int>] = []
    var first = 0
    let ends = Set(graph.segmentEnds)
    for (index, step) in steps.enumerated()
    where ends.contains(step.nodes.upperBound + 1) || index == steps.count - 1 {
      segments.append(first..<index + 1)
      first = index + 1
    }
    return segments
  }

  func prepare(_ context: RunContext) throws -> any Executable {
    try model.prepare(self, context)
  }
}

/// What the planning of steps asks: the forms of the weights that a graph reads, and how much is
/// computed at a time.
struct CPUWeightForms {
  let source: any WeightSource
  let device: CPUDevice
  /// Whether a weight is loaded for one use of it.
  let isUsedOnce: Bool
  /// About how many positions of an image are computed at a time; all when nil.
  let bandPositions: Int?

  /// Image rows of a band.
  func bandRows(of size: Shape) -> Int {
    bandPositions.map { min(max($0 / size.width, 1), size.height) } ?? size.height
  }

  /// The form of a weight; nil for one that the source lacks.
  func form(of parameter: Parameter, in operation: Operation) -> CPUForm? {
    source.description(of: parameter.name).map {
      device.form(of: $0, in: operation, isUsedOnce: isUsedOnce)
    }
  }

  /// Whether a weight is multiplied with int8 activations as it is stored.
  func isOfStoredCodes(_ parameter: Parameter, in operation: Operation) -> Bool {
    if case .codes = form(of: parameter, in: operation) { true } else { false }
  }

  /// Planes of the codes that a layer multiplies; one where it multiplies none.
  func planes(of linear: Linear) -> Int {
    max(source.description(of: linear.weight.name)?.activations.planes ?? 1, 1)
  }

  /// The kernels that multiply a weight by bf16 in pairs of 16 bits, if it is multiplied so.
  func bf16Kernels(of parameter: Parameter, in operation: Operation) -> sana_bf16_kernels? {
    guard let description = source.description(of: parameter.name),
      description.encoding == .bf16, case .stored = form(of: parameter, in: operation)
    else { return nil }
    return device.bf16(depth: description.columns)
  }

  func planned(_ description: TensorDescription, in operation: Operation) -> CPUPlannedWeight {
    let form = device.form(of: description, in: operation, isUsedOnce: isUsedOnce)
    let isMapped =
      switch form {
      case .stored, .codes: isUsedOnce && source.mapsValues(of: description.name)
      default: false
      }
    return CPUPlannedWeight(
      description: description, form: form,
      staging: device.staging(of: description, as: form, workers: device.pool.size),
      isMapped: isMapped)
  }
}

/// Which parts of a graph keep their weights.
private struct CPUResidentParts {
  let resident: [CPUPlannedWeight]
  let streamed: [[CPUPlannedWeight]]
  /// Bytes of one slot, the largest part's.
  let slotBytes: Int
  /// The most bytes of the file that a part uses where they are mapped.
  let mappedBytes: Int
  let slotCount: Int
  let slotStagingBytes: Int

  var described: [ExecutionPlan.Weight] {
    resident.map { Self.describe($0, isResident: true) }
      + streamed.joined().map { Self.describe($0, isResident: false) }
  }

  private static func describe(
    _ weight: CPUPlannedWeight, isResident: Bool
  ) -> ExecutionPlan.Weight {
    ExecutionPlan.Weight(
      name: weight.description.name, byteCount: weight.form.byteCount,
      stagingBytes: weight.staging.byteCount, isResident: isResident)
  }

  init(_ parts: [[CPUPlannedWeight]], _ residency: Residency) {
    switch residency {
    case .resident:
      self.init(parts, stays: { _, _ in true }, slots: 0)
    case .once:
      // Vectors are small.
      self.init(
        parts, stays: { if case .widened = $1.form { true } else { false } }, slots: 1)
    case .streamed(let weightBytes):
      // As many as there is memory for, evenly among the others, so that loading these is spread
      // over the run; the first of them, which nothing is computed before.
      var best = Self(parts, stays: { _, _ in false }, slots: 2)
      let count = parts.count
      for staying in stride(from: count, to: 0, by: -1) {
        let candidate = Self(
          parts, stays: { index, _ in index * staying % count < staying },
          slots: count - staying > 1 ? 2 : 1)
        if candidate.byteCount <= weightBytes {
          best = candidate
          break
        }
      }
      self = best
    }
  }

  private var byteCount: Int {
    resident.reduce(0) { $0 + $1.form.byteCount } + slotBytes * slotCount + mappedBytes
      + slotStagingBytes
  }

  private init(
    _ parts: [[CPUPlannedWeight]], stays: (Int, CPUPlannedWeight) -> Bool, slots: Int
  ) {
    var resident: [CPUPlannedWeight] = []
    var keys: Set<CPUWeightKey> = []
    for (index, weights) in parts.enumerated() {
      resident += weights.filter { stays(index, $0) && keys.insert($0.key).inserted }
    }
    self.resident = resident
    // A weight that several parts read is there for each of them, or stays.
    streamed = parts.map { $0.filter { !keys.contains($0.key) } }
    slotBytes = streamed.map(Self.slotBytes).max() ?? 0
    slotCount = slotBytes > 0 ? slots : 0
    mappedBytes = streamed.map { $0.reduce(0) { $0 + $1.mappedBytes } }.max() ?? 0
    slotStagingBytes =
      slotBytes > 0 ? streamed.joined().map(\.staging.byteCount).max() ?? 0 : 0
  }

  private static func slotBytes(_ weights: [CPUPlannedWeight]) -> Int {
    weights.reduce(0) { $0 + MemoryPlan.aligned($1.ownBytes) }
  }
}
