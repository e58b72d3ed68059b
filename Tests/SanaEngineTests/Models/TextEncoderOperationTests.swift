import SanaEngine
import SanaGraph
import SanaModels
import Testing
import TestSupport
import WeightFormats

/// Gemma-2's parts against PyTorch.
@Suite struct TextEncoderOperationTests {
  private func encoder(
    queryPreAttentionScalar: Double = 32, softcap: Double? = 50, window: Int = 8,
    hiddenSize: Int = 64
  ) -> GemmaEncoder {
    GemmaEncoder(
      TextEncoderConfiguration(
        vocabularySize: 8, hiddenSize: hiddenSize, intermediateSize: 160, heads: 4,
        keyValueHeads: 2, headDimension: 32, queryPreAttentionScalar: queryPreAttentionScalar,
        attentionSoftcap: softcap, slidingWindow: window, layerTypes: [.sliding, .full],
        normEpsilon: 1e-6, ropeTheta: 10000))
  }

  @Test(arguments: TestedBackend.allCases)
  func attention(backend: TestedBackend) throws {
    let variants = try RecordedOperation.variants(of: "gemma2_attention")
    #expect(variants.count == 6)
    for variant in variants {
      try RecordedOperation.check("gemma2_attention/\(variant)", on: backend) { operation in
        func attribute(_ name: String) throws -> Double {
          try operation.trace.number(name, of: operation.group)
        }
        let softcap = try attribute("softcap")
        let window = Int(try attribute("sliding_window"))
        let encoder = encoder(
          queryPreAttentionScalar: try attribute("query_pre_attn_scalar"),
          softcap: softcap > 0 ? softcap : nil, window: window)
        let input = try operation.input("x")
        let output = encoder.attention(
          input, .root, window > 0 ? .sliding : .full, &operation.builder)
        let mask = try operation.trace.int32("\(operation.group)/attention_mask_2d")
        operation.expect(output, equals: "out", tokenCounts: mask.tokenCounts)
      }
    }
  }

  @Test(arguments: TestedBackend.allCases)
  func norm(backend: TestedBackend) throws {
    try RecordedOperation.check("gemma2_rmsnorm", on: backend, weights: "gemma2_rmsnorm") {
      $0.replacing("norm.", with: "float32.")
    } build: { operation in
      let input = try operation.input("float32.x")
      let output = encoder().norm(input, .root["norm"], &operation.builder)
      operation.expect(output, equals: "float32.out")
    }
  }

  @Test(arguments: TestedBackend.allCases)
  func feedForward(backend: TestedBackend) throws {
    try RecordedOperation.check("gemma2_mlp", on: backend) { operation in
      let input = try operation.input("x")
      let output = encoder().feedForward(input, .root, &operation.builder)
      operation.expect(output, equals: "out")
    }
  }

  /// PyTorch rounds the factor to the type of the weights; ours is that of f32 weights.
  @Test(arguments: [64, 96, 128, 2304])
  func embeddingScale(hiddenSize: Int) throws {
    let graph = encoder(hiddenSize: hiddenSize).graph(tokens: 3, batch: 1).graph
    guard case .embeddingLookup(let lookup) = graph.nodes[0].operation else {
      Issue.record("the first operation is \(graph.nodes[0].operation.kind)")
      return
    }
    for trace in try ReferenceTraces.files("ops") {
      let expected = try trace.number("\(hiddenSize).float32", of: "gemma2_embed_scale")
      #expect(lookup.scale == Float(expected))
    }
  }
}
