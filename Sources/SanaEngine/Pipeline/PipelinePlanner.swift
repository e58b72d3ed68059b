internal import SanaGraph
internal import SanaModels
internal import Support
internal import WeightFormats

/// Plans a run, within any limit, from the model's directory and the graphs. What it has found out
/// for one limit it knows for the next.
final class PipelinePlanner {
  private let settings: GenerationSettings
  private let latents: Shape
  private let text: StagePlanner
  private let denoiser: StagePlanner
  private let decoder: StagePlanner

  /// - Throws: what asking the model for its networks throws.
  init(
    model: PipelineModel, backend: any Backend, settings: GenerationSettings,
    prompts: [PreparedPrompt], negativePrompt: PreparedPrompt?, cost: CostModel
  ) throws {
    self.settings = settings
    let all = prompts + (negativePrompt.map { [$0] } ?? [])
    let (height, width) = settings.latentSize(model)
    let latents = Shape(
      batch: 1, height: height, width: width, channels: model.transformer.inputChannels)
    self.latents = latents
    let captionBytes = Caption.byteCount(all, model.textEncoder)

    let textEncoder = try model.source(for: .textEncoder)
    text = StagePlanner(cost: cost, form: .once) { choices in
      try TextEncoderStage.memory(
        model.textEncoder, source: textEncoder, backend: backend, choices: choices, prompts: all)
    }
    let transformer = try model.source(for: .transformer)
    let negativeCount = negativePrompt.map(\.captionRows.count)
    let counts = Set(prompts.map(\.captionRows.count)).sorted()
    func denoising(_ choices: StageChoices, tokens: Int) throws -> StageMemory {
      var memory = try DenoiserStage.memory(
        model.transformer, source: transformer, backend: backend, choices: choices,
        tokenCounts: [negativeCount].compactMap(\.self) + [tokens], latents: latents,
        steps: settings.steps)
      memory.tensorBytes += captionBytes
      return memory
    }
    denoiser = StagePlanner(
      cost: cost, form: .again(positions: latents.positions, hasCaptions: true)
    ) { choices in
      try denoising(choices, tokens: counts.last ?? 1)
    } ofAll: { choices, longest in
      // Where things lie in memory depends on sizes: a shorter caption's graph may take more.
      try counts.dropLast().reduce(longest) {
        $0.union(try denoising(choices, tokens: $1))
      }
    }
    let autoencoder = try model.source(for: .autoencoder)
    decoder = StagePlanner(
      cost: cost,
      form: .again(
        positions: settings.drawnWidth * settings.drawnHeight, hasCaptions: false)
    ) { choices in
      var memory = try DecoderStage.memory(
        model.autoencoder, source: autoencoder, backend: backend, choices: choices,
        latents: latents)
      memory.tensorBytes += captionBytes + LatentPicture.rowBytes(width: settings.width)
      return memory
    }
  }

  private func planner(of stage: PipelineStage) -> StagePlanner {
    switch stage {
    case .text: text
    case .denoise: denoiser
    case .decode: decoder
    }
  }

  /// How often the stage's main graphs run for a picture.
  private func runs(of stage: PipelineStage) -> Int { stage == .denoise ? settings.steps : 1 }

  /// The least limit that the run can hold.
  /// - Throws: `.tensorMismatch` for a weight that is missing or has another shape than the
  ///   configuration says.
  func leastBytes(programBytes: Int) throws -> Int {
    try programBytes
      + PipelineStage.allCases.map { try planner(of: $0).leastBytes() }.reduce(0, max)
  }

  /// - Parameter keepsStages: whether stages stay prepared for a next run where there is memory.
  /// - Throws: as `leastBytes`.
  func plan(_ budget: MemoryBudget, keepsStages: Bool) throws -> PipelinePlan {
    let alone = try plans(budget.stageBytes, staying: [:])
    for staying in keepsStages ? try keepable() : [] {
      let plans = try plans(budget.stageBytes, staying: staying)
      guard Self.fits(plans, staying, budget.stageBytes, asFastAs: alone) else { continue }
      return pipelinePlan(plans, staying, budget)
    }
    return pipelinePlan(alone, [:], budget)
  }

  /// Sets of stages that could stay, and the bytes of their weights, those that save most loading
  /// first.
  private func keepable() throws -> [[PipelineStage: Int]] {
    let bytes = try PipelineStage.allCases.map {
      ($0, try planner(of: $0).memory(.staying).stayingBytes)
    }
    return (1..<1 << bytes.count).map { bits in
      Dictionary(
        uniqueKeysWithValues: bytes.enumerated().filter { bits >> $0.offset & 1 != 0 }.map(
          \.element))
    }.sorted { $0.values.reduce(0, +) > $1.values.reduce(0, +) }
  }

  /// How each stage runs beside those that stay.
  private func plans(
    _ limit: Int?, staying: [PipelineStage: Int]
  ) throws -> [PipelineStage: StagePlanner.Plan] {
    try Dictionary(
      uniqueKeysWithValues: PipelineStage.allCases.map { stage in
        let planner = planner(of: stage)
        let others = staying.values.reduce(0, +)
        return (
          stage,
          staying[stage] == nil
            ? try planner.plan(limit: limit.map { $0 - others }) : try planner.plan(.staying)
        )
      })
  }

  /// Whether all stages fit beside those that stay, and none is slower for it.
  private static func fits(
    _ plans: [PipelineStage: StagePlanner.Plan], _ staying: [PipelineStage: Int], _ limit: Int?,
    asFastAs alone: [PipelineStage: StagePlanner.Plan]
  ) -> Bool {
    guard let limit else { return true }
    let all = staying.values.reduce(0, +)
    return plans.allSatisfy { stage, plan in
      plan.memory.peakBytes + all - (staying[stage] ?? 0) <= limit
        && plan.seconds <= alone[stage]?.seconds ?? .infinity
    }
  }

  private func pipelinePlan(
    _ plans: [PipelineStage: StagePlanner.Plan], _ staying: [PipelineStage: Int],
    _ budget: MemoryBudget
  ) -> PipelinePlan {
    let all = staying.values.reduce(0, +)
    func others(_ stage: PipelineStage) -> Int { all - (staying[stage] ?? 0) }
    let atOnce = picturesAtOnce(plans, staying, budget, others)
    let waiting = (atOnce - 1) * latents.byteCount
    return PipelinePlan(
      stages: PipelineStage.allCases.compactMap { stage in
        plans[stage].map { plan in
          PipelinePlan.Stage(
            stage: stage, weightsBytes: plan.memory.weightBytes + plan.memory.passingWeightBytes,
            activationsBytes: plan.memory.activationBytes + (stage == .text ? 0 : waiting),
            otherWeightsBytes: others(stage), means: plan.means(times: runs(of: stage)))
        }
      },
      picturesAtOnce: atOnce, programBytes: budget.programBytes, staying: staying,
      choices: plans.mapValues(\.choices))
  }

  private func picturesAtOnce(
    _ plans: [PipelineStage: StagePlanner.Plan], _ staying: [PipelineStage: Int],
    _ budget: MemoryBudget, _ others: (PipelineStage) -> Int
  ) -> Int {
    guard let denoise = plans[.denoise], let decode = plans[.decode] else { return 1 }
    let loaded = [PipelineStage.denoise: denoise, .decode: decode].filter { staying[$0.key] == nil }
    let worthLoading = Self.picturesWorthLoading(
      operations: settings.steps * denoise.memory.operationCount + decode.memory.operationCount,
      weightsBytes: loaded.values.reduce(0) { $0 + $1.memory.weightBytes })
    // Latents that wait shall not be what the run needs memory for.
    let fullest = max(
      denoise.memory.peakBytes + others(.denoise), decode.memory.peakBytes + others(.decode))
    let room = min(
      denoise.memory.activationBytes, max((budget.stageBytes ?? .max) - fullest, 0))
    let count = settings.pictures.count
    let most = max(min(worthLoading, 1 + room / max(latents.byteCount, 1), count), 1)
    // Groups of about the same size.
    let groups = (count + most - 1) / most
    return (count + groups - 1) / groups
  }

  /// Operations for each byte of weights that take twenty times as long as loading the byte from
  /// the page cache: int8 products at some 600 billion operations a second, weights at some 1.5 GB
  /// a second.
  private static let operationsForByte = 8192

  /// How many pictures take so long that loading the networks before them does not matter.
  private static func picturesWorthLoading(operations: Int, weightsBytes: Int) -> Int {
    (weightsBytes * operationsForByte + operations - 1) / max(operations, 1)
  }
}

extension Shape {
  /// As f32.
  fileprivate var byteCount: Int { elementCount * MemoryLayout<Float>.size }
}
