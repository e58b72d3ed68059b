public import SanaGraph
public import WeightFormats

/// Sana's denoiser, the Linear Diffusion Transformer (`diffusers.SanaTransformer2DModel`; paper, figure 5), as three graphs: what
/// depends on the prompt, what depends on the step, and what depends on the latents.
public struct LinearDiffusionTransformer: Sendable {
  public let configuration: TransformerConfiguration

  public init(_ configuration: TransformerConfiguration) {
    self.configuration = configuration
  }

  private var width: Int { configuration.width }

  private var blocks: [TransformerBlock] {
    (0..<configuration.layers).map {
      TransformerBlock(
        configuration, path: .root["transformer_blocks"][$0], name: "block\($0)")
    }
  }

  // MARK: What depends on the prompt

  public struct PromptGraph: Sendable {
    public let graph: Graph
    /// The text encoder's rows, `[batch, tokens, captionChannels]`
    public let captions: Value
    /// What a step's graph takes of them, in the order of its `captionInputs`.
    public let outputs: [Value]
  }

  /// What steps are given of the captions.
  public enum CaptionForm: Hashable, Sendable {
    /// Keys and values of the cross-attention of every block, `[batch, tokens, 2 *
    /// crossAttentionHeads * crossAttentionHeadDimension]`, which are computed once for all steps.
    case keyValues
    /// The normalized captions, `[batch, tokens, width]`, from which every step computes keys and
    /// values again, a block's at a time: the same numbers in much less memory.
    case captions
  }

  /// What steps need of captions. Runs once per prompt.
  ///
  /// Values: `caption_projection`, `caption_norm`.
  public func promptGraph(
    tokens: Int, batch: Int, form: CaptionForm = .keyValues, fusion: GraphBuilder.Fusion = .full
  ) -> PromptGraph {
    var builder = GraphBuilder(name: "transformer prompt \(batch)x\(tokens)", fusion: fusion)
    let captions = builder.input(
      "captions", .tokens(batch: batch, count: tokens, channels: configuration.captionChannels))
    let projected = captionProjection(captions, &builder)
    let normalized = builder.rmsNorm(
      projected, weight: ModulePath.root["caption_norm"].weight(width), epsilon: 1e-5,
      name: "caption_norm")
    let outputs =
      switch form {
      case .keyValues: blocks.map { $0.keyValue(normalized, &builder) }
      case .captions: [normalized]
      }
    return PromptGraph(
      graph: builder.finish(outputs: outputs), captions: captions, outputs: outputs)
  }

  /// `PixArtAlphaTextProjection`: linear, GELU, linear.
  package func captionProjection(_ captions: Value, _ builder: inout GraphBuilder) -> Value {
    let (first, second) = (
      ModulePath.root["caption_projection.linear_1"], ModulePath.root["caption_projection.linear_2"]
    )
    let hidden = builder.linear(
      captions, weight: first.weight(width, configuration.captionChannels),
      bias: first.bias(width), activation: .geluTanh)
    return builder.linear(
      hidden, weight: second.weight(width, width), bias: second.bias(width),
      name: "caption_projection")
  }

  // MARK: What depends on the step

  public struct TimestepGraph: Sendable {
    public let graph: Graph
    /// Timesteps as the network sees them, already multiplied with `timestepScale`: `[steps, 1, 1]`
    public let timesteps: Value
    /// Sprint only: guidance scales, already multiplied with `guidanceEmbeddingScale`: `[steps, 1, 1]`
    public let guidance: Value?
    /// `[steps, 1, 6 * width]`
    public let modulation: Value
    /// `[steps, 1, width]`
    public let embeddedTimestep: Value
  }

  /// All timesteps of a schedule at once. Runs once per schedule.
  ///
  /// Values: `timestep_embedder.in`, `timestep_embedder`, for Sprint `guidance_embedder.in` and `guidance_embedder`, `time_embed.0`
  /// (modulation), `time_embed.1` (embedded timestep).
  public func timestepGraph(
    steps: Int, fusion: GraphBuilder.Fusion = .full
  ) -> TimestepGraph {
    var builder = GraphBuilder(name: "transformer timesteps \(steps)", fusion: fusion)
    let shape = Shape.tokens(batch: steps, count: 1, channels: 1)
    let timesteps = builder.input("timestep", shape)
    let guidance = configuration.embedsGuidance ? builder.input("guidance", shape) : nil
    let (modulation, embedded) = timestepModulation(timesteps, guidance: guidance, &builder)
    return TimestepGraph(
      graph: builder.finish(outputs: [modulation, embedded]), timesteps: timesteps,
      guidance: guidance, modulation: modulation, embeddedTimestep: embedded)
  }

  /// `AdaLayerNormSingle`; with guidance, `SanaCombinedTimestepGuidanceEmbeddings`.
  package func timestepModulation(
    _ timesteps: Value, guidance: Value?, _ builder: inout GraphBuilder
  ) -> (modulation: Value, embeddedTimestep: Value) {
    let path = ModulePath.root["time_embed"]
    var embedded = TimestepEmbedding(
      path: path["timestep_embedder"], width: width, name: "timestep_embedder"
    ).apply(timesteps, &builder)
    if let guidance {
      let embeddedGuidance = TimestepEmbedding(
        path: path["guidance_embedder"], width: width, name: "guidance_embedder"
      ).apply(guidance, &builder)
      embedded = builder.add(embedded, embeddedGuidance)
    }
    builder.name(embedded, "time_embed.1")
    let modulation = builder.linear(
      builder.activate(embedded, .silu), weight: path["linear"].weight(6 * width, width),
      bias: path["linear"].bias(6 * width), name: "time_embed.0")
    return (modulation, embedded)
  }

  // MARK: What depends on the latents

  public struct StepGraph: Sendable {
    public let graph: Graph
    /// `[batch, h, w, inputChannels]`
    public let latents: Value
    /// One step's row of the timestep graph's modulation for each batch element: `[batch, 1, 6 * width]`
    public let modulation: Value
    /// Likewise, `[batch, 1, width]`
    public let embeddedTimestep: Value
    /// For the prompt graph's outputs.
    public let captionInputs: [Value]
    /// Number of real tokens of each batch element, i32 `[batch, 1, 1]`
    public let tokenCounts: Value
    /// 2K and 4K models only: what `positionEmbedding(height:width:)` returns.
    public let positionEmbedding: Value?
    /// `[batch, h, w, outputChannels]`
    public let modelOutput: Value
  }

  /// One denoising step for latents of `height x width`.
  ///
  /// Values: `patch_embed`, `block<i>.attn1.in`, `block<i>.attn1`, `block<i>.attn2.in`, `block<i>.attn2`, `block<i>.ff.in`, `block<i>.ff`,
  /// `block<i>`, `norm_out`, `proj_out`, `model_output`; those that fusion removes only with `fusion: .observable`.
  /// - Parameters:
  ///   - tokens: the prompt graph's.
  ///   - form: the prompt graph's.
  public func stepGraph(
    height: Int, width latentWidth: Int, batch: Int, tokens: Int, form: CaptionForm = .keyValues,
    fusion: GraphBuilder.Fusion = .full
  ) -> StepGraph {
    var builder = GraphBuilder(
      name: "transformer step \(batch)x\(height)x\(latentWidth)", fusion: fusion)
    func vector(_ name: String, _ channels: Int, _ precision: Precision = .f32) -> Value {
      builder.input(name, .tokens(batch: batch, count: 1, channels: channels), precision)
    }
    let latents = builder.input(
      "latents",
      Shape(
        batch: batch, height: height, width: latentWidth, channels: configuration.inputChannels))
    let modulation = vector("modulation", 6 * width)
    let embeddedTimestep = vector("embedded_timestep", width)
    let tokenCounts = vector("token_counts", 1, .i32)
    func caption(_ name: String, _ channels: Int) -> Value {
      builder.input(name, .tokens(batch: batch, count: tokens, channels: channels))
    }
    let captionInputs =
      switch form {
      case .keyValues:
        blocks.indices.map {
          caption(
            "key_value.\($0)",
            2 * configuration.crossAttentionHeads * configuration.crossAttentionHeadDimension)
        }
      case .captions: [caption("captions", width)]
      }
    let positionEmbedding = configuration.positionInterpolationScale.map { _ in
      builder.input(
        "position_embedding",
        Shape(batch: 1, height: height, width: latentWidth, channels: width))
    }

    var stream = patchEmbedding(latents, positionEmbedding, &builder)
    for (index, block) in blocks.enumerated() {
      let keyValue =
        switch form {
        case .keyValues: captionInputs[index]
        case .captions: block.keyValue(captionInputs[0], &builder)
        }
      stream = block.apply(
        stream, modulation: modulation, keyValue: keyValue, tokenCounts: tokenCounts, &builder)
      builder.endSegment()
    }
    let normalized = outputNorm(stream, embeddedTimestep, &builder)
    let projection = ModulePath.root["proj_out"]
    let output = builder.linear(
      normalized, weight: projection.weight(configuration.outputChannels, width),
      bias: projection.bias(configuration.outputChannels), name: "proj_out")
    builder.name(output, "model_output")
    return StepGraph(
      graph: builder.finish(outputs: [output]), latents: latents, modulation: modulation,
      embeddedTimestep: embeddedTimestep, captionInputs: captionInputs, tokenCounts: tokenCounts,
      positionEmbedding: positionEmbedding, modelOutput: output)
  }

  /// The position embedding for latents of this size, `[1, h x w, width]`; `nil` for the models that have none (all but 2K and 4K).
  public func positionEmbedding(height: Int, width latentWidth: Int) -> HostTensor? {
    configuration.positionInterpolationScale.map {
      PositionEmbedding(channels: width, base: configuration.sampleSize, interpolationScale: $0)
        .tensor(height: height, width: latentWidth)
    }
  }

  /// `PatchEmbed` with patches of one latent pixel.
  package func patchEmbedding(
    _ latents: Value, _ positionEmbedding: Value?, _ builder: inout GraphBuilder
  ) -> Value {
    let projection = ModulePath.root["patch_embed.proj"]
    var stream = builder.linear(
      latents, weight: projection.weight(width, configuration.inputChannels),
      bias: projection.bias(width))
    if let positionEmbedding { stream = builder.add(stream, positionEmbedding) }
    builder.name(stream, "patch_embed")
    return stream
  }

  /// `SanaModulatedNorm`: shift and scale are rows of a table, the embedded timestep added to both.
  package func outputNorm(
    _ stream: Value, _ embeddedTimestep: Value, _ builder: inout GraphBuilder
  ) -> Value {
    let table = builder.addTable(
      embeddedTimestep, table: ModulePath.root.parameter("scale_shift_table", 2, width))
    return builder.modulatedLayerNorm(
      stream, shift: ModulationRow(table, 0), scale: ModulationRow(table, 1), epsilon: 1e-6,
      name: "norm_out")
  }
}
