import SanaEngine
import SanaGraph
import SanaModels
import Testing
import TestSupport
import Traces
import WeightFormats

/// The Linear Diffusion Transformer's parts against PyTorch.
@Suite struct TransformerOperationTests {
  private func configuration(
    heads: Int = 3, inputChannels: Int = 32, captionChannels: Int = 64,
    normalizesQueriesAndKeys: Bool = false, embedsGuidance: Bool = false,
    positionInterpolationScale: Double? = nil
  ) -> TransformerConfiguration {
    TransformerConfiguration(
      inputChannels: inputChannels, outputChannels: 32, layers: 1, heads: heads,
      headDimension: 32, crossAttentionHeads: 2, crossAttentionHeadDimension: 48,
      captionChannels: captionChannels, feedForwardRatio: 2.5, normEpsilon: 1e-6,
      normalizesQueriesAndKeys: normalizesQueriesAndKeys, embedsGuidance: embedsGuidance,
      guidanceEmbeddingScale: 0.1, sampleSize: 8,
      positionInterpolationScale: positionInterpolationScale, timestepScale: 1)
  }

  private func block(_ variant: String) -> TransformerBlock {
    TransformerBlock(
      configuration(normalizesQueriesAndKeys: variant == "qknorm"), path: .root, name: "block")
  }

  @Test(arguments: TestedBackend.allCases, ["plain", "qknorm"])
  func linearAttention(backend: TestedBackend, variant: String) throws {
    try RecordedOperation.check("sana_linear_attention/\(variant)", on: backend) {
      $0.replacing("attn1.", with: "")
    } build: { operation in
      let input = try operation.input("x")
      let output = block(variant).linearAttention(input, &operation.builder)
      operation.expect(output, equals: "out")
    }
  }

  @Test(arguments: TestedBackend.allCases, ["plain", "qknorm"])
  func crossAttention(backend: TestedBackend, variant: String) throws {
    try RecordedOperation.check("sana_cross_attention/\(variant)", on: backend) {
      $0.replacing("attn2.", with: "")
    } build: { operation in
      let captions = try operation.input("context")
      let input = try operation.input("x")
      let tokenCounts = try operation.tokenCounts(mask: "mask")
      let keyValue = block(variant).keyValue(captions, &operation.builder)
      let output = block(variant).crossAttention(
        input, keyValue: keyValue, tokenCounts: tokenCounts, &operation.builder)
      operation.expect(output, equals: "out")
    }
  }

  @Test(
    .enabled(if: try RecordedOperation.isRecorded("sana_block")), arguments: TestedBackend.allCases,
    ["plain", "qknorm"])
  func wholeBlock(backend: TestedBackend, variant: String) throws {
    try RecordedOperation.check("sana_block/\(variant)", on: backend) { operation in
      let captions = try operation.input("context")
      let modulation = try operation.input("timestep_modulation")
      let input = operation.input("x", try operation.recorded("x").image(height: 3, width: 4))
      let tokenCounts = try operation.tokenCounts(mask: "mask")
      let keyValue = block(variant).keyValue(captions, &operation.builder)
      let output = block(variant).apply(
        input, modulation: modulation, keyValue: keyValue, tokenCounts: tokenCounts,
        &operation.builder)
      operation.expect(output, equals: "out")
    }
  }

  @Test(arguments: TestedBackend.allCases)
  func mixFeedForward(backend: TestedBackend) throws {
    try RecordedOperation.check("glumbconv/ldt_ratio2.5", on: backend) { operation in
      let input = try operation.input("x")
      let output = MixFeedForward(path: .root, channels: 32, hidden: 80)
        .apply(input, &operation.builder)
      operation.expect(output, equals: "out")
    }
    try RecordedOperation.check("glumbconv/vae_ratio4_rms_residual", on: backend) { operation in
      let input = try operation.input("x")
      let output = MixFeedForward(path: .root, channels: 32, hidden: 128)
        .apply(input, &operation.builder)
      operation.expect(
        operation.builder.channelNorm(output, .root["norm"], residual: input), equals: "out")
    }
  }

  @Test(arguments: TestedBackend.allCases)
  func sinusoid(backend: TestedBackend) throws {
    try RecordedOperation.check("timestep_embedding", on: backend) { operation in
      let input = try operation.input("t")
      operation.expect(
        operation.builder.sinusoidalEmbedding(input, channels: 256), equals: "out")
    }
  }

  @Test(
    .enabled(if: try RecordedOperation.isRecorded("ada_layernorm_single")),
    arguments: TestedBackend.allCases)
  func timestepModulation(backend: TestedBackend) throws {
    let transformer = LinearDiffusionTransformer(configuration(heads: 2))
    try RecordedOperation.check("ada_layernorm_single", on: backend) {
      $0.replacing("time_embed.timestep", with: "emb.timestep").replacing("time_embed.", with: "")
    } build: { operation in
      let timesteps = try operation.input("t")
      let (modulation, embedded) = transformer.timestepModulation(
        timesteps, guidance: nil, &operation.builder)
      operation.expect(modulation, equals: "modulation")
      operation.expect(embedded, equals: "embedded_timestep")
    }
  }

  @Test(
    .enabled(if: try RecordedOperation.isRecorded("sprint_time_guidance_embed")),
    arguments: TestedBackend.allCases)
  func timestepAndGuidanceModulation(backend: TestedBackend) throws {
    let transformer = LinearDiffusionTransformer(configuration(heads: 2, embedsGuidance: true))
    try RecordedOperation.check("sprint_time_guidance_embed", on: backend) {
      $0.replacing("time_embed.", with: "")
    } build: { operation in
      let timesteps = try operation.input("t")
      let guidance = try operation.input("guidance")
      let (modulation, embedded) = transformer.timestepModulation(
        timesteps, guidance: guidance, &operation.builder)
      operation.expect(modulation, equals: "modulation")
      operation.expect(embedded, equals: "conditioning")
    }
  }

  @Test(arguments: TestedBackend.allCases)
  func outputNorm(backend: TestedBackend) throws {
    try RecordedOperation.check("modulated_norm", on: backend, weights: "modulated_norm") {
      operation in
      let input = try operation.input("x")
      let embeddedTimestep = try operation.input("temb")
      let output = LinearDiffusionTransformer(configuration())
        .outputNorm(input, embeddedTimestep, &operation.builder)
      operation.expect(output, equals: "out")
    }
  }

  @Test(arguments: TestedBackend.allCases)
  func captionProjection(backend: TestedBackend) throws {
    try RecordedOperation.check("caption_projection", on: backend) {
      $0.replacing("caption_projection.", with: "")
    } build: { operation in
      let input = try operation.input("x")
      let output = LinearDiffusionTransformer(configuration())
        .captionProjection(input, &operation.builder)
      operation.expect(output, equals: "out")
    }
  }

  @Test(arguments: TestedBackend.allCases, ["float32", "float32_bias"])
  func rmsNorm(backend: TestedBackend, variant: String) throws {
    try RecordedOperation.check("rmsnorm", on: backend, weights: "rmsnorm") {
      "\(variant).\($0)"
    } build: { operation in
      let input = try operation.input("\(variant).x")
      let output = operation.builder.rmsNorm(
        input, weight: ModulePath.root.weight(48),
        bias: variant.hasSuffix("bias") ? ModulePath.root.bias(48) : nil, epsilon: 1e-5)
      operation.expect(output, equals: "\(variant).out")
    }
  }

  @Test(arguments: [1.0, 2.0], [(8, 8), (6, 10), (10, 6)])
  func positionEmbedding(scale: Double, size: (height: Int, width: Int)) throws {
    let embedding = PositionEmbedding(channels: 64, base: 8, interpolationScale: scale)
      .tensor(height: size.height, width: size.width)
    for trace in try ReferenceTraces.files("ops") {
      let name = "pos_embed/scale\(Int(scale))_base8_\(size.height)x\(size.width)"
      let comparison = try Comparison(
        reference: trace.floats(name).values, result: embedding.values)
      #expect(comparison.signalToNoiseDecibels >= 140, "\(name)")
    }
  }

  @Test(arguments: TestedBackend.allCases, [(8, 8), (6, 10)])
  func patchEmbedding(backend: TestedBackend, size: (height: Int, width: Int)) throws {
    let transformer = LinearDiffusionTransformer(
      configuration(heads: 2, inputChannels: 4, positionInterpolationScale: 2))
    let group = "pos_embed/patch_embed_scale2_\(size.height)x\(size.width)"
    try RecordedOperation.check(group, on: backend) {
      $0.replacing("patch_embed.", with: "")
    } build: { operation in
      let latents = try operation.input("x")
      let position = try #require(
        transformer.positionEmbedding(height: size.height, width: size.width))
      let output = transformer.patchEmbedding(
        latents, operation.input("position_embedding", position), &operation.builder)
      operation.expect(output, equals: "out")
    }
  }
}
