import ArgumentParser
import Foundation
import SanaEngine
import SanaGraph
import SanaModels
import Support
import WeightFormats

struct Networks: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "One guided w8a8 step of Sana-0.6B and one decoding of DC-AE, by kind of operation.")

  @OptionGroup var options: BenchOptions
  @Option(help: "Side of the picture in pixels.") var size = 1024
  @Option(help: "step or decode; both by default.") var only: String?
  @Flag(help: "A line for every shape.") var byShape = false

  func run() throws {
    let side = size / 32
    if only != "decode" {
      let step = LinearDiffusionTransformer(.sana600M).stepGraph(
        height: side, width: side, batch: 2, tokens: 300)
      try measure(step.graph)
    }
    if only != "step" {
      let decoder = AutoencoderDecoder(.deepCompression32).graph(
        height: side, width: side, batch: 1)
      try measure(decoder.graph)
    }
  }

  private func measure(_ graph: Graph) throws {
    let backend = try options.backend()
    let weights = SyntheticWeights(for: graph) { parameter in
      // As the recipe w8a8 has it.
      let products = ["attn1.to_", "attn2.to_q", "attn2.to_out", "ff.conv_"]
      if parameter.name.hasPrefix("decoder.up_blocks.") {
        let isFirst = parameter.name.hasPrefix("decoder.up_blocks.4.0.")
        switch parameter.shape.count {
        case 4: return isFirst ? (.bf16, .floatingPoint) : (.f16, .int8PerToken)
        case 2: return (.bf16, .floatingPoint)
        default: return (.f16, .floatingPoint)
        }
      }
      let isInt8 =
        parameter.shape.count == 2 && parameter.name.contains("_blocks.")
        && products.contains { parameter.name.contains($0) }
      return isInt8 ? (.int8PerChannel, .int8PerToken) : (.f16, .floatingPoint)
    }
    let model = backend.load(weights)
    let executable = try model.prepare(graph)
    for input in graph.inputs {
      let shape = graph[input].shape
      executable.write(
        graph[input].precision == .i32
          ? HostTensor(shape, integers: Array(repeating: 300, count: shape.elementCount))
          : HostTensor(shape, (0..<shape.elementCount).map { Float($0 % 101) / 50 - 1 }),
        to: input)
    }
    // The first run touches memory for the first time.
    try executable.run(observer: nil)

    var times: [String: (count: Int, seconds: Double)] = [:]
    let context = RunContext(onStep: { step, _ in
      var kind = step.kind
      if byShape, let node = step.nodes.last {
        let inputs = node.operation.payload.inputs.prefix(1).map { "\(graph[$0].shape)" }
        kind += " \(inputs.joined()) -> \(graph[node.output].shape)"
      }
      times[kind, default: (0, 0)].count += 1
      times[kind, default: (0, 0)].seconds += step.duration.seconds
    })
    try executable.run(context)
    let total = times.values.reduce(0) { $0 + $1.seconds }
    print(
      String(
        format: "%@: %.2f s, weights %.0f MB, activations %.0f MB", graph.name, total,
        Double(model.residentBytes) / 1e6, Double(executable.plan.arenaBytes) / 1e6))
    for (kind, time) in times.sorted(by: { $0.value.seconds > $1.value.seconds }) {
      print(
        kind.padding(toLength: byShape ? 64 : 24, withPad: " ", startingAt: 0)
          + String(
            format: "%5d %9.1f ms %5.1f %%", time.count, time.seconds * 1e3,
            100 * time.seconds / total))
    }
  }
}

extension TransformerConfiguration {
  fileprivate static var sana600M: TransformerConfiguration {
    TransformerConfiguration(
      inputChannels: 32, outputChannels: 32, layers: 28, heads: 36, headDimension: 32,
      crossAttentionHeads: 16, crossAttentionHeadDimension: 72, captionChannels: 2304,
      feedForwardRatio: 2.5, normEpsilon: 1e-6, normalizesQueriesAndKeys: false,
      embedsGuidance: false, guidanceEmbeddingScale: 0.1, sampleSize: 32,
      positionInterpolationScale: nil, timestepScale: 1)
  }
}

extension AutoencoderConfiguration {
  /// `dc-ae-f32c32-sana`
  fileprivate static var deepCompression32: AutoencoderConfiguration {
    let residual = [128, 256, 512].map {
      Stage(block: .residual, channels: $0, layers: 3, multiscaleKernels: [])
    }
    let attention = [512, 1024, 1024].map {
      Stage(block: .efficientViT, channels: $0, layers: 3, multiscaleKernels: [5])
    }
    return AutoencoderConfiguration(
      imageChannels: 3, latentChannels: 32, attentionHeadDimension: 32,
      encoder: residual + attention, decoder: residual + attention, downsampling: .convolution,
      upsampling: .interpolate, encoderOutputShortcut: true, decoderInputShortcut: true,
      scalingFactor: 0.41407)
  }
}
