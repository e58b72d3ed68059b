import SanaEngine
import TestSupport
import Testing
import WeightFormats

@Suite struct MemoryPlanTests {
  private func chain(_ build: (inout GraphBuilder, Value) -> Value) -> Graph {
    var builder = GraphBuilder(name: "chain")
    let input = builder.input("x", .tokens(batch: 1, count: 1, channels: 64))
    return { builder.finish(outputs: [$0]) }(build(&builder, input))
  }

  @Test func operationsInPlaceTakeNoMemory() {
    let graph = chain { builder, input in
      builder.activate(builder.activate(builder.activate(input, .silu), .silu), .silu)
    }
    // The input stays; the first result is overwritten by the two that follow.
    #expect(MemoryPlan(graph).arenaBytes == 2 * 64 * 4)
  }

  @Test func deadValuesGiveTheirMemoryBack() {
    let graph = chain { builder, input in
      (0..<10).reduce(input) { value, index in
        builder.linear(value, weight: Parameter("w\(index)", [64, 64]))
      }
    }
    #expect(MemoryPlan(graph).arenaBytes == 3 * 64 * 4)
  }

  @Test func scratchIsTakenOnlyWhileItsNodeRuns() {
    let graph = chain { builder, input in
      (0..<4).reduce(input) { value, index in
        builder.linear(value, weight: Parameter("w\(index)", [64, 64]))
      }
    }
    let plan = MemoryPlan(graph) { _ in 1000 }
    #expect(plan.arenaBytes == 3 * 64 * 4 + 1024)
    #expect(plan.scratchOffsets.allSatisfy { $0 % MemoryPlan.alignment == 0 })
  }

  /// In every graph of full-size networks: two values that are needed at the same time never share a byte.
  @Test func valuesAliveTogetherNeverOverlap() throws {
    for graph in try FullSizeGraphs.all { check(graph) }
  }

  private func check(_ graph: Graph) {
    let plan = MemoryPlan(graph)
    var written = [Int](repeating: -1, count: graph.values.count)
    var lastRead = [Int](repeating: -1, count: graph.values.count)
    for (position, node) in graph.nodes.enumerated() {
      written[node.output.index] = position
      lastRead[node.output.index] = position
      for input in node.operation.payload.inputs { lastRead[input.index] = position }
    }
    for input in graph.inputs { lastRead[input.index] = graph.nodes.count }
    for output in graph.outputs { lastRead[output.index] = graph.nodes.count }

    for first in graph.values.indices {
      let bytes = plan.offsets[first]..<plan.offsets[first] + graph.values[first].byteCount
      #expect(bytes.lowerBound % MemoryPlan.alignment == 0)
      #expect(bytes.upperBound <= plan.arenaBytes)
      for second in graph.values.indices where second > first {
        let others = plan.offsets[second]..<plan.offsets[second] + graph.values[second].byteCount
        guard bytes.overlaps(others) else { continue }
        let (earlier, later) =
          written[first] < written[second] ? (first, second) : (second, first)
        if lastRead[earlier] == written[later] {
          // Only an operation that works in place may overwrite what it reads.
          let node = graph.nodes[written[later]]
          #expect(node.operation.payload.inPlaceInput?.index == earlier)
          #expect(bytes == others)
        } else {
          #expect(lastRead[earlier] < written[later], "\(graph.name): \(first) and \(second)")
        }
      }
    }
  }
}

/// Graphs of the released sizes.
private enum FullSizeGraphs {
  static var all: [Graph] {
    get throws {
      // Absent keys mean the 1.6B transformer, and DC-AE with attention in no stage.
      let transformer = LinearDiffusionTransformer(
        try TransformerConfiguration(official: .object([]), location: "defaults"))
      let autoencoder = try AutoencoderConfiguration(
        official: .object([
          .init(
            "decoder_block_types",
            .array(
              Array(repeating: "ResBlock", count: 3)
                + Array(repeating: "EfficientViTBlock", count: 3)))
        ]), location: "defaults")
      let encoder = GemmaEncoder(
        TextEncoderConfiguration(
          vocabularySize: 256_000, hiddenSize: 2304, intermediateSize: 9216, heads: 8,
          keyValueHeads: 4, headDimension: 256, queryPreAttentionScalar: 256,
          attentionSoftcap: 50, slidingWindow: 4096,
          layerTypes: (0..<26).map { $0 % 2 == 0 ? .sliding : .full }, normEpsilon: 1e-6,
          ropeTheta: 10000))
      return [
        encoder.graph(tokens: 300, batch: 1).graph,
        transformer.promptGraph(tokens: 300, batch: 2).graph,
        transformer.timestepGraph(steps: 20).graph,
        transformer.stepGraph(height: 32, width: 32, batch: 2, tokens: 300).graph,
        transformer.stepGraph(
          height: 32, width: 32, batch: 2, tokens: 300, fusion: .observable
        ).graph,
        AutoencoderDecoder(autoencoder).graph(height: 32, width: 32, batch: 1).graph,
        AutoencoderEncoder(autoencoder).graph(height: 1024, width: 1024, batch: 1).graph,
      ]
    }
  }
}
