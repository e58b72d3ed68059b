import ArgumentParser
import CPUBackend
import Foundation
import SanaEngine
import SanaGraph
import Support

/// An int8 product of a network with all that its layer does besides: the norm in front, quantization, the epilogue, and what is
/// computed as one with it.
private struct ProductLayer {
  enum Form {
    case bias
    case biasResidual
    case biasGateResidual
    case gateResidual
    case plain
    /// After a norm, with ReLU attention in heads of 32.
    case attention
    /// After a norm, with SiLU, the depthwise 3x3 convolution and the gated linear unit of the Mix-FFN.
    case mixFeedForward
  }

  let network: String
  let name: String
  let rows: Int
  let depth: Int
  let outputs: Int
  let form: Form

  /// Of the product alone: multiplications and additions.
  var operations: Double { 2 * Double(rows) * Double(depth) * Double(outputs) }

  /// Both guidance branches of one step at 1024x1024.
  static func transformer(_ network: String, width: Int, hidden: Int) -> [ProductLayer] {
    func layer(_ name: String, _ depth: Int, _ outputs: Int, _ form: Form) -> ProductLayer {
      ProductLayer(
        network: network, name: name, rows: 2048, depth: depth, outputs: outputs, form: form)
    }
    return [
      layer("attn1.to_qkv", width, 3 * width, .plain),
      layer("attn1.to_qkv + ReLU attention", width, 3 * width, .attention),
      layer("attn1.to_out", width, width, .biasGateResidual),
      layer("attn2.to_q", width, width, .bias),
      layer("attn2.to_out", width, width, .biasResidual),
      layer("ff.conv_inverted", width, 2 * hidden, .bias),
      layer("ff.conv_inverted + depthwise, gate", width, 2 * hidden, .mixFeedForward),
      layer("ff.conv_point", hidden, width, .gateResidual),
    ]
  }

  /// A caption of 300 tokens.
  private static let gemma: [ProductLayer] = [
    ("qkv_proj", 2304, 4096), ("o_proj", 2048, 2304), ("gate_up_proj", 2304, 18432),
    ("down_proj", 9216, 2304),
  ].map { name, depth, outputs in
    ProductLayer(
      network: "Gemma-2-2B", name: name, rows: 300, depth: depth, outputs: outputs, form: .plain)
  }

  static let all =
    transformer("Sana-0.6B", width: 1152, hidden: 2880)
    + transformer("Sana-1.6B", width: 2240, hidden: 5600) + gemma

  var graph: Graph {
    var builder = GraphBuilder(name: name)
    let batch = rows % 1024 == 0 ? rows / 1024 : 1
    let side = batch > 1 ? 32 : 0
    let positions = rows / batch
    func shape(_ channels: Int) -> Shape {
      side > 0
        ? Shape(batch: batch, height: side, width: side, channels: channels)
        : .tokens(batch: batch, count: positions, channels: channels)
    }
    func modulation(_ channels: Int) -> Value {
      builder.input("modulation", .tokens(batch: batch, count: 1, channels: channels))
    }
    var input = builder.input("x", shape(depth))
    let weight = Parameter("weight", [outputs, depth])
    let bias = Parameter("bias", [outputs])
    if form == .attention || form == .mixFeedForward {
      let rows = modulation(2 * depth)
      input = builder.modulatedLayerNorm(
        input, shift: ModulationRow(rows, 0), scale: ModulationRow(rows, 1), epsilon: 1e-6)
    }
    let output: Value
    switch form {
    case .plain:
      output = builder.linear(input, weight: weight)
    case .bias:
      output = builder.linear(input, weight: weight, bias: bias)
    case .biasResidual:
      output = builder.linear(
        input, weight: weight, bias: bias, residual: builder.input("residual", shape(outputs)))
    case .biasGateResidual, .gateResidual:
      output = builder.linear(
        input, weight: weight, bias: form == .biasGateResidual ? bias : nil,
        gate: ModulationRow(modulation(outputs), 0),
        residual: builder.input("residual", shape(outputs)))
    case .attention:
      output = builder.reluAttention(
        builder.linear(input, weight: weight), heads: depth / 32, headDimension: 32,
        layout: .blocks, form: .linear)
    case .mixFeedForward:
      output = builder.depthwiseConvolution(
        builder.linear(input, weight: weight, bias: bias, activation: .silu),
        weight: Parameter("depthwise", [3, 3, outputs]),
        bias: Parameter("depthwise.bias", [outputs]), gatedLinearUnit: true)
    }
    return builder.finish(outputs: [output])
  }

  func executable(on backend: CPUBackend) throws -> any Executable {
    let graph = graph
    let weights = SyntheticWeights(for: graph) {
      $0.shape.count == 2 ? (.int8PerChannel, .int8PerToken) : (.f32, .floatingPoint)
    }
    let executable = try backend.load(weights).prepare(graph)
    for input in graph.inputs {
      let shape = graph[input].shape
      executable.write(
        HostTensor(shape, (0..<shape.elementCount).map { Float($0 % 101) / 50 - 1 }), to: input)
    }
    return executable
  }
}

struct Products: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "The int8 products of the networks as a share of this processor's measured peak.",
    discussion: """
      A line is a layer as the networks run it: quantization, norm, epilogue and fused operations \
      take their time, only the product's operations count. Times are medians; the peak is measured \
      again, with as many threads, before every layer.
      """)

  @OptionGroup var options: BenchOptions
  @Option(help: "Only layers whose network or name contains this.") var only: String?
  @Option(help: "Runs of each layer, at least 1.") var runs = 15

  func validate() throws {
    if runs < 1 { throw ValidationError("--runs must be at least 1") }
  }

  func run() throws {
    let backend = try options.backend()
    let threads = options.threads ?? AvailableProcessors.current.count
    let set = try options.instructionSet()
    print("\(set.rawValue), \(threads) threads; M rows, K inputs, N outputs")
    print(
      Self.columns("network", "layer") + "    M     K      N        ms   Gop/s   peak")
    for layer in ProductLayer.all
    where only.map({ layer.network.contains($0) || layer.name.contains($0) }) ?? true {
      let executable = try layer.executable(on: backend)
      // The first run touches memory for the first time.
      try executable.run(observer: nil)
      let peak = backend.measurePeak()?.int8 ?? 0
      let times = try (0..<runs).map { _ in
        try ContinuousClock().measure { try executable.run(observer: nil) }.seconds
      }
      let median = times.sorted()[runs / 2]
      print(
        Self.columns(layer.network, layer.name)
          + String(
            format: "%5d %5d %6d %9.3f %7.0f %4.0f %%", layer.rows, layer.depth, layer.outputs,
            median * 1e3, layer.operations / median / 1e9, 100 * layer.operations / median / peak))
    }
  }

  private static func columns(_ network: String, _ layer: String) -> String {
    network.padding(toLength: 12, withPad: " ", startingAt: 0)
      + layer.padding(toLength: 35, withPad: " ", startingAt: 0)
  }
}
