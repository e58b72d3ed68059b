import ArgumentParser
import CPUBackend
import Foundation
import SanaEngine
import SanaGraph
import Support
import WeightFormats

/// One operation of a network at its real size.
private struct Measurement {
  let name: String
  /// Multiplications and additions, 0 where the operation is bound by memory.
  let operations: Double
  let graph: Graph
  let encoding: TensorEncoding
  let activations: ActivationEncoding

  init(
    _ name: String, _ operations: Double, _ encoding: TensorEncoding = .f16,
    _ activations: ActivationEncoding = .floatingPoint, _ build: (inout GraphBuilder) -> Value
  ) {
    var builder = GraphBuilder(name: name)
    let output = build(&builder)
    self.name = name
    self.operations = operations
    self.graph = builder.finish(outputs: [output])
    self.encoding = encoding
    self.activations = activations
  }

  static func linear(
    rows: Int, _ inputs: Int, _ outputs: Int, int8: Bool, encoding: TensorEncoding = .f16
  ) -> Measurement {
    Measurement(
      "linear \(rows) x \(inputs) -> \(outputs) \(int8 ? "w8a8" : "\(encoding)")",
      2 * Double(rows) * Double(inputs) * Double(outputs), int8 ? .int8PerChannel : encoding,
      int8 ? .int8PerToken : .floatingPoint
    ) { builder in
      let x = builder.input("x", .tokens(batch: 1, count: rows, channels: inputs))
      return builder.linear(
        x, weight: Parameter("w", [outputs, inputs]), bias: Parameter("b", [outputs]))
    }
  }

  static func convolution(side: Int, _ inputs: Int, _ outputs: Int, stride: Int = 1) -> Measurement
  {
    Measurement(
      "convolution 3x3 \(side)^2 \(inputs) -> \(outputs) stride \(stride)",
      18 * Double(side * side / stride / stride) * Double(inputs) * Double(outputs)
    ) { builder in
      let x = builder.input("x", Shape(batch: 1, height: side, width: side, channels: inputs))
      return builder.convolution(
        x, weight: Parameter("w", [outputs, 3, 3, inputs]), bias: Parameter("b", [outputs]),
        stride: stride)
    }
  }

  static let all: [Measurement] =
    [true, false].flatMap { int8 in
      [(1152, 3456), (1152, 1152), (1152, 5760), (2880, 1152)].map {
        linear(rows: 2048, $0.0, $0.1, int8: int8)
      }
    } + [
      linear(rows: 2048, 1152, 5760, int8: false, encoding: .bf16),
      linear(rows: 2048, 2880, 1152, int8: false, encoding: .bf16),
      linear(rows: 16384, 512, 4096, int8: false, encoding: .bf16),
      linear(rows: 300, 2304, 18432, int8: true),
      linear(rows: 300, 2304, 18432, int8: false, encoding: .bf16),
      linear(rows: 2, 1152, 6912, int8: false),
      convolution(side: 512, 128, 128), convolution(side: 256, 256, 256),
      convolution(side: 128, 512, 512), convolution(side: 32, 32, 1024),
      convolution(side: 512, 128, 3), convolution(side: 512, 3, 128),
      convolution(side: 256, 128, 256, stride: 2),
      Measurement("upsampling convolution 128^2 512 -> 256", 32 * 128 * 128 * 512 * 256) {
        let x = $0.input("x", Shape(batch: 1, height: 128, width: 128, channels: 512))
        return $0.upsampleConvolution(x, weight: Parameter("w", [1024, 2, 2, 512]))
      },
      Measurement("depthwise 3x3 + GLU 2 x 32^2 x 5760", 0) {
        let x = $0.input("x", Shape(batch: 2, height: 32, width: 32, channels: 5760))
        return $0.depthwiseConvolution(
          x, weight: Parameter("w", [3, 3, 5760]), bias: Parameter("b", [5760]),
          gatedLinearUnit: true)
      },
      Measurement("depthwise 5x5 128^2 x 1536", 0) {
        let x = $0.input("x", Shape(batch: 1, height: 128, width: 128, channels: 1536))
        return $0.depthwiseConvolution(x, weight: Parameter("w", [5, 5, 1536]))
      },
      Measurement("ReLU attention 2 x 32^2, 36 heads of 32", 4 * 2 * 1024 * 36 * 32 * 32) {
        let x = $0.input("x", Shape(batch: 2, height: 32, width: 32, channels: 3456))
        return $0.reluAttention(x, heads: 36, headDimension: 32, layout: .blocks, form: .linear)
      },
      Measurement("cross attention 2 x 32^2 on 300, 16 heads of 72", 4 * 2 * 1024 * 300 * 1152) {
        let query = $0.input("x", Shape(batch: 2, height: 32, width: 32, channels: 1152))
        let keyValue = $0.input("kv", .tokens(batch: 2, count: 300, channels: 2304))
        let counts = $0.input("counts", .tokens(batch: 2, count: 1, channels: 1), .i32)
        return $0.crossAttention(
          query: query, keyValue: keyValue, tokenCounts: counts, heads: 16, headDimension: 72)
      },
      Measurement("causal attention 512, 8 heads of 256", 2 * 512 * 512 * 2048) {
        let x = $0.input("x", .tokens(batch: 1, count: 512, channels: 4096))
        return $0.causalAttention(
          x, heads: 8, keyValueHeads: 4, headDimension: 256, scale: 0.0625, softcap: 50,
          window: nil, ropeTheta: 10000)
      },
      Measurement("modulated layer norm 2048 x 1152", 0) {
        let x = $0.input("x", .tokens(batch: 2, count: 1024, channels: 1152))
        let m = $0.input("m", .tokens(batch: 2, count: 1, channels: 2304))
        return $0.modulatedLayerNorm(
          x, shift: ModulationRow(m, 0), scale: ModulationRow(m, 1), epsilon: 1e-6)
      },
      Measurement("RMS norm 512^2 x 128", 0) {
        let x = $0.input("x", Shape(batch: 1, height: 512, width: 512, channels: 128))
        return $0.rmsNorm(x, weight: Parameter("w", [128]), epsilon: 1e-5)
      },
    ]

  var arithmetic: Arithmetic {
    activations == .int8PerToken ? .int8 : encoding == .bf16 ? .bf16 : .f32
  }

  func seconds(on backend: CPUBackend) throws -> Double {
    let weights = SyntheticWeights(for: graph) {
      $0.shape.count == 2 || $0.shape.count == 4 ? (encoding, activations) : (.f32, .floatingPoint)
    }
    let executable = try backend.load(weights).prepare(graph)
    for input in graph.inputs {
      let shape = graph[input].shape
      let tensor =
        graph[input].precision == .i32
        ? HostTensor(shape, integers: Array(repeating: 300, count: shape.elementCount))
        : HostTensor(shape, (0..<shape.elementCount).map { Float($0 % 101) / 50 - 1 })
      executable.write(tensor, to: input)
    }
    var best = Double.infinity
    for _ in 0..<4 {
      best = min(best, try ContinuousClock().measure { try executable.run(observer: nil) }.seconds)
    }
    return best
  }
}

struct Operations: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Operations at the sizes of Sana-0.6B and DC-AE, in shares of this processor's peak.")

  @OptionGroup var options: BenchOptions
  @Option(help: "Only operations whose name contains this.") var only: String?

  func run() throws {
    let set = try options.instructionSet()
    let backend = try options.backend()
    guard let peak = try CPUBackend(threads: 1, instructionSet: set).measurePeak() else {
      preconditionFailure("the CPU measures its peak")
    }
    let threads = options.threads ?? AvailableProcessors.current.count
    print(
      String(
        format: "%@, %d threads; peak of one core: %.0f Gop/s in f32, %.0f in bf16, %.0f in int8",
        set.rawValue, threads, peak.f32 / 1e9, peak.bf16 / 1e9, peak.int8 / 1e9))
    for measurement in Measurement.all where only.map(measurement.name.contains) ?? true {
      let seconds = try measurement.seconds(on: backend)
      let name = measurement.name.padding(toLength: 52, withPad: " ", startingAt: 0)
      var line = name + String(format: "%9.3f ms", seconds * 1e3)
      if measurement.operations > 0 {
        let best = peak.of(measurement.arithmetic) * Double(threads)
        let rate = measurement.operations / seconds
        line += String(format: "%9.1f Gop/s %5.1f %%", rate / 1e9, 100 * rate / best)
      }
      print(line)
    }
  }
}
