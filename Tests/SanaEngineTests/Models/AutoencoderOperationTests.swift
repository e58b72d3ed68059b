import SanaEngine
import SanaGraph
import SanaModels
import Testing

/// DC-AE's parts against PyTorch.
@Suite struct AutoencoderOperationTests {
  @Test(arguments: TestedBackend.allCases)
  func channelNorm(backend: TestedBackend) throws {
    try RecordedOperation.check("rmsnorm2d", on: backend) { operation in
      let input = try operation.input("x")
      operation.expect(operation.builder.channelNorm(input, .root), equals: "out")
    }
  }

  @Test(arguments: TestedBackend.allCases)
  func residualBlock(backend: TestedBackend) throws {
    try RecordedOperation.check("resblock/silu_rms_norm", on: backend) { operation in
      let input = try operation.input("x")
      let output = ResidualBlock(path: .root, channels: 16).apply(input, &operation.builder)
      operation.expect(output, equals: "out")
    }
  }

  @Test(arguments: TestedBackend.allCases)
  func efficientViTBlock(backend: TestedBackend) throws {
    try RecordedOperation.check("efficientvit_block", on: backend) { operation in
      let input = try operation.input("x")
      let output = EfficientViTBlock(
        path: .root, channels: 32, headDimension: 32, multiscaleKernels: [5]
      ).apply(input, &operation.builder)
      operation.expect(output, equals: "out")
    }
  }

  /// Includes both sides of the switch between the two forms, and a single pixel.
  @Test(arguments: TestedBackend.allCases)
  func multiscaleAttention(backend: TestedBackend) throws {
    let variants = try RecordedOperation.variants(of: "multiscale_linear_attention")
    #expect(variants.count == 5)
    for variant in variants {
      let group = "multiscale_linear_attention/\(variant)"
      try RecordedOperation.check(
        group, on: backend, weights: "multiscale_linear_attention/weights"
      ) { operation in
        let input = try operation.input("x")
        let block = EfficientViTBlock(
          path: .root, channels: 64, headDimension: 32, multiscaleKernels: [5])
        operation.expect(block.attention(input, .root, &operation.builder), equals: "out")
      }
    }
  }

  /// Both forms of the attention proper, on the same queries, keys and values.
  @Test(arguments: TestedBackend.allCases)
  func bothFormsOfReluAttention(backend: TestedBackend) throws {
    for variant in try RecordedOperation.variants(of: "multiscale_linear_attention") {
      try RecordedOperation.check("multiscale_linear_attention/\(variant)", on: backend) {
        operation in
        // Heads and their channels are one axis to us: `[batch, heads, dimension, positions]`.
        let parts = try ["core.q", "core.k", "core.v"].map { name in
          let array = try operation.trace.floats("\(operation.group)/\(name)")
          let shape = Shape.tokens(
            batch: array.shape[0], count: array.shape[3], channels: array.shape[1] * array.shape[2])
          return operation.input(name, HostTensor(shape, channelsFirst: array.values))
        }
        let queryKeyValue = operation.builder.concatenateChannels(parts)
        for (form, name) in [
          (ReluAttention.Form.linear, "core.linear"), (.quadratic, "core.quadratic"),
        ] {
          let output = operation.builder.reluAttention(
            queryKeyValue, heads: 4, headDimension: 32, layout: .blocks, form: form)
          operation.expect(output, equals: name)
        }
      }
    }
  }

  @Test(arguments: TestedBackend.allCases)
  func downsampling(backend: TestedBackend) throws {
    let variants = try RecordedOperation.variants(of: "down_block")
    #expect(variants.count == 12)
    for variant in variants {
      try RecordedOperation.check("down_block/\(variant)", on: backend) { operation in
        let input = try operation.input("x")
        let block = DownsamplingBlock(
          path: .root, outputChannels: try operation.recorded("out").shape.channels,
          kind: variant.contains("pixel_unshuffle") ? .pixelUnshuffle : .convolution)
        let output =
          variant.hasSuffix("noshortcut")
          ? block.convolve(input, &operation.builder) : block.apply(input, &operation.builder)
        operation.expect(output, equals: "out")
      }
    }
  }

  @Test(arguments: TestedBackend.allCases)
  func upsampling(backend: TestedBackend) throws {
    let variants = try RecordedOperation.variants(of: "up_block")
    #expect(variants.count == 12)
    for variant in variants {
      try RecordedOperation.check("up_block/\(variant)", on: backend) { operation in
        let input = try operation.input("x")
        let block = UpsamplingBlock(
          path: .root, outputChannels: try operation.recorded("out").shape.channels,
          kind: variant.contains("interpolate") ? .interpolate : .pixelShuffle)
        let output =
          variant.hasSuffix("noshortcut")
          ? block.convolve(input, &operation.builder) : block.apply(input, &operation.builder)
        operation.expect(output, equals: "out")
      }
    }
  }
}
