import CPUBackend
import SanaEngine
import SanaGraph
import SanaModels
import Support
import TestSupport
import Testing
import WeightFormats

/// Which steps the graphs of the real networks become.
@Suite struct NetworkStepsTests {
  private func forms(of graph: Graph, _ residency: Residency = .resident) throws -> [String: Int] {
    let weights = MemorySource(
      randomFor: graph, encoding: .int8PerChannel, activations: .int8PerToken)
    let plan = try CPUBackend(threads: 2).plan(
      graph, weights: weights, ExecutionChoices(residency: residency))
    return plan.steps.reduce(into: [:]) { $0[$1.form, default: 0] += 1 }
  }

  private func withModel<Result>(
    _ body: (PipelineModel) throws -> Result
  ) throws -> Result {
    let directory = try TestDirectory()
    return try body(PipelineModel(path: try ConvertedModels.make("sana-tiny", in: directory)))
  }

  @Test func aTransformerBlockIsThreeSteps() throws {
    try withModel { model in
      let graph = LinearDiffusionTransformer(model.transformer).stepGraph(
        height: 8, width: 8, batch: 1, tokens: 5
      ).graph
      let forms = try forms(of: graph)
      let layers = model.transformer.layers
      #expect(forms["linearAttention"] == layers)
      #expect(forms["captionAttention"] == layers)
      #expect(forms["mixFeedForward"] == layers)
      #expect(graph.segmentEnds.count == layers)
    }
  }

  @Test func theDecodersConvolutionsAreCascades() throws {
    try withModel { model in
      let graph = AutoencoderDecoder(model.autoencoder).graph(height: 4, width: 4, batch: 1).graph
      let forms = try forms(of: graph)
      #expect(forms["cascade"] ?? 0 >= 2)
      #expect(forms["mixFeedForward"] ?? 0 >= 1)
    }
  }

  @Test func theEncodersConvolutionsUpToItsAttentionAreACascade() throws {
    try withModel { model in
      let graph = AutoencoderEncoder(model.autoencoder).graph(
        height: 256, width: 256, batch: 1
      ).graph
      let weights = MemorySource(randomFor: graph, encoding: .f16)
      let plan = try CPUBackend(threads: 2).plan(
        graph, weights: weights, ExecutionChoices(bandPositions: 256))
      let convolutions = plan.steps.prefix { $0.form != "linearAttention" }
      #expect(convolutions.map(\.form) == ["cascade"])
      #expect(convolutions[0].nodes.lowerBound == 0)
    }
  }

  @Test func aGraphThatRunsOnceIsComputedNodeByNode() throws {
    try withModel { model in
      let graph = GemmaEncoder(model.textEncoder).graph(tokens: 7, batch: 1).graph
      let forms = try forms(of: graph, .once)
      #expect(forms == ["node": graph.nodes.count])
    }
  }
}
