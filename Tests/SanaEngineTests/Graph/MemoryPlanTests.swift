import SanaEngine
import SanaGraph
import SanaModels
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
    let plan = MemoryPlan(
      graph,
      steps: graph.nodes.indices.map { MemoryPlan.Step(node: $0, of: graph, scratchBytes: 1000) })
    #expect(plan.arenaBytes == 3 * 64 * 4 + 1024)
    #expect(plan.scratchOffsets.allSatisfy { $0 % MemoryPlan.alignment == 0 })
  }

  @Test func valuesInsideAStepTakeNoMemory() {
    let graph = chain { builder, input in
      (0..<4).reduce(input) { value, index in
        builder.linear(value, weight: Parameter("w\(index)", [64, 64]))
      }
    }
    let steps = [
      MemoryPlan.Step(node: 0, of: graph), MemoryPlan.Step(nodes: 1...3, scratchBytes: 100),
    ]
    let plan = MemoryPlan(graph, steps: steps)
    #expect(plan.arenaBytes == 3 * 64 * 4 + 128)
    #expect(graph.nodes[1...2].allSatisfy { plan.places[$0.output.index] == nil })
    #expect(plan.scratchOffsets.count == 2)
    check(graph, steps)
  }

  @Test func aStepOfManyNodesMayWorkInPlace() {
    let graph = chain { builder, input in
      let first = builder.linear(input, weight: Parameter("w", [64, 64]))
      let second = builder.linear(first, weight: Parameter("v", [64, 64]), residual: first)
      return builder.linear(second, weight: Parameter("u", [64, 64]), residual: first)
    }
    let first = graph.nodes[0].output
    let inPlace = [
      MemoryPlan.Step(node: 0, of: graph), MemoryPlan.Step(nodes: 1...2, inPlaceInput: first),
    ]
    #expect(MemoryPlan(graph, steps: inPlace).arenaBytes == 2 * 64 * 4)
    // What others still read is not overwritten.
    let apart = [
      MemoryPlan.Step(node: 0, of: graph), MemoryPlan.Step(nodes: 1...1, inPlaceInput: first),
      MemoryPlan.Step(node: 2, of: graph),
    ]
    #expect(MemoryPlan(graph, steps: apart).arenaBytes == 4 * 64 * 4)
    for steps in [inPlace, apart] { check(graph, steps) }
  }

  /// In every graph of full-size networks: two values that are needed at the same time never share a byte.
  @Test func valuesAliveTogetherNeverOverlap() throws {
    for graph in try FullSizeGraphs.all {
      check(graph, graph.nodes.indices.map { MemoryPlan.Step(node: $0, of: graph) })
    }
  }

  private func check(_ graph: Graph, _ steps: [MemoryPlan.Step]) {
    let plan = MemoryPlan(graph, steps: steps)
    var written = [Int](repeating: -1, count: graph.values.count)
    var lastRead = [Int](repeating: -1, count: graph.values.count)
    for (position, step) in steps.enumerated() {
      for node in graph.nodes[step.nodes] {
        written[node.output.index] = position
        lastRead[node.output.index] = position
        for input in node.operation.payload.inputs { lastRead[input.index] = position }
      }
    }
    for input in graph.inputs { lastRead[input.index] = steps.count }
    for output in graph.outputs { lastRead[output.index] = steps.count }

    let places = graph.values.indices.map { index in
      plan.places[index].map { $0.offset..<$0.offset + graph.values[index].byteCount }
    }
    for first in graph.values.indices {
      guard let bytes = places[first] else { continue }
      #expect(bytes.lowerBound % MemoryPlan.alignment == 0)
      #expect(bytes.upperBound <= plan.arenaBytes)
      for second in graph.values.indices where second > first {
        guard let others = places[second], bytes.overlaps(others) else { continue }
        let (earlier, later) =
          written[first] < written[second] ? (first, second) : (second, first)
        if lastRead[earlier] == written[later] {
          // Only a step that works in place may overwrite what it reads.
          #expect(steps[written[later]].inPlaceInput?.index == earlier)
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
      let lite = try AutoencoderConfiguration(
        official: [
          "decoder_layers_per_block": [0, 3, 5, 4, 4, 4], "decoder_conv_act_fn": "silu",
          "encoder_layers_per_block": [0, 2, 2, 3, 3, 3],
        ], location: "lite")
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
        AutoencoderDecoder(lite).graph(height: 32, width: 32, batch: 1).graph,
        AutoencoderEncoder(lite).graph(height: 1024, width: 1024, batch: 1).graph,
      ]
    }
  }
}
