import CKernels
import Foundation
import Quantization
import Support
import TestSupport
import Testing
import WeightFormats

@Suite struct QuantizerTests {
  private func quantize(
    _ path: String, to output: String, _ recipe: String, _ rules: [String] = [],
    allowsRequantizing: Bool = false
  ) throws -> ModelFile {
    let file = try ModelFile(path: path)
    let plan = try QuantizationPlan(
      file, recipe: .named(recipe), rules: rules.map { try QuantizationRule(parsing: $0) },
      allowsRequantizing: allowsRequantizing)
    try Quantizer(file: file, plan: plan).write(to: output, tool: "a test")
    return try ModelFile(path: output)
  }

  @Test func codesAndScalesAreThoseOfTheRows() throws {
    try QuantizationSamples.withModel { path, output in
      let result = try quantize(path, to: output, "w8a8")
      try result.verify()
      let name = "transformer_blocks.0.ff.conv_inverted.weight"
      let original = try ModelFile(path: path).source(for: .transformer).load(name).floats
      let source = try result.source(for: .transformer)
      let loaded = try source.load(name)
      #expect(loaded.description.encoding == .int8PerChannel)
      #expect(loaded.description.activations == .int8PerToken)
      for row in 0..<80 {
        let numbers = original[row * 16..<(row + 1) * 16]
        let scale = (numbers.map(\.magnitude).max() ?? 0) / 127
        #expect(loaded.scaleNumbers[row] == scale)
        #expect(
          Array(loaded.int8Codes[row * 16..<(row + 1) * 16])
            == numbers.map { Int8(($0 / scale).rounded(.toNearestOrEven)) })
      }
      let distortion = try #require(source.entry(name)?.metadata["distortion"])
      let snr = try #require(distortion["snr_db"]?.numberValue)
      #expect(snr > 40 && snr < 60)
      #expect(source.entry(name)?.metadata["source_encoding"]?.stringValue == "f32")
    }
  }

  @Test(arguments: ["w8a8", "f16", "f32"])
  func everyTensorThatIsNotFiniteIsNamedWhetherCodedOrCopied(_ recipe: String) throws {
    func tensor(_ name: String, _ shape: [Int], _ values: [Float]) -> StoredTensor {
      var numbers = QuantizationSamples.numbers(shape.reduce(1, *))
      numbers.replaceSubrange(0..<values.count, with: values)
      return QuantizationSamples.tensor(name, shape, numbers)
    }
    let model: [ComponentKind: [StoredTensor]] = [
      .transformer: [
        tensor("scale_shift_table", [2, 16], [0, .nan]),
        tensor("transformer_blocks.0.attn1.to_qkv.weight", [48, 16], [.infinity, .nan, 1, .nan]),
        tensor("proj_out.weight", [8, 16], []),
      ]
    ]
    try QuantizationSamples.withModel(model) { path, output in
      let error = #expect(throws: SanaError.self) { try quantize(path, to: output, recipe) }
      #expect(error?.code == .numericalFailure)
      #expect(
        error?.message
          == "4 numbers of 2 tensors are not finite: 'transformer/transformer_blocks.0.attn1.to_qkv.weight' (2 NaN and 1 infinite),"
          + " 'transformer/scale_shift_table' (1 NaN)")
      #expect(error?.location == path)
      #expect(!FileManager.default.fileExists(atPath: output))
    }
  }

  @Test func whatKeepsItsEncodingKeepsItsBytes() throws {
    try QuantizationSamples.withModel { path, output in
      let result = try quantize(path, to: output, "w8a8")
      let before = try ModelFile(path: path).source(for: .transformer)
      let after = try result.source(for: .transformer)
      let table = try after.load("scale_shift_table")
      #expect(table.floats == (try before.load("scale_shift_table").floats))
      #expect(after.entry("scale_shift_table")?.metadata["distortion"] == nil)
    }
  }

  @Test func theFileSaysHowItWasMade() throws {
    try QuantizationSamples.withModel { path, output in
      let result = try quantize(path, to: output, "w8a16", ["proj_out=f32"])
      #expect(result.metadata["provenance"]?.stringValue == "a test")
      let quantization = try #require(result.metadata["quantization"])
      #expect(quantization["recipe"]?.stringValue == "w8a16")
      #expect(quantization["rules"]?.arrayValue == [.string("proj_out=f32")])
      #expect(quantization["tool"]?.stringValue == "a test")
      #expect(
        result.component(.autoencoder)?.metadata["kind"]?.stringValue == "autoencoder")
    }
  }

  @Test(arguments: ["f16", "bf16", "int8", "int8:16", "int4:8"])
  func everyEncodingIsCloseToItsSource(_ encoding: String) throws {
    let least = ["f16": 70.0, "bf16": 50, "int8": 40, "int8:16": 42, "int4:8": 17]
    try QuantizationSamples.withModel { path, output in
      // The second pass reads the encoding back.
      _ = try quantize(path, to: output, "f32", ["to_kv=\(encoding)"])
      let back = try quantize(
        output, to: output + "2", "f32", allowsRequantizing: true)
      let name = "transformer_blocks.0.attn2.to_kv.weight"
      let original = try ModelFile(path: path).source(for: .transformer).load(name).floats
      let decoded = try back.source(for: .transformer).load(name).floats
      let statistics = original.withUnsafeBufferPointer { x in
        decoded.withUnsafeBufferPointer { DistortionStatistics(original: x, decoded: $0) }
      }
      #expect(statistics.signalToNoise > least[encoding] ?? .infinity)
      let recorded = try ModelFile(path: output).source(for: .transformer).entry(name)?
        .metadata["distortion"]?["snr_db"]?.numberValue
      #expect(abs((recorded ?? 0) - statistics.signalToNoise) < 1e-9)
    }
  }

  @Test func largeTensorsAreTheSameWhateverTheirBands() throws {
    let shape = [3000, 777]
    let tensor = QuantizationSamples.tensor("layers.0.mlp.down_proj.weight", shape)
    try QuantizationSamples.withModel([.textEncoder: [tensor]]) { path, output in
      let loaded = try quantize(path, to: output, "w8a16").source(for: .textEncoder)
        .load(tensor.description.name)
      var codes = [Int8](repeating: 0, count: 3000 * 777)
      var scales = [Float](repeating: 0, count: 3000)
      #expect(sana_quantize_rows(tensor.floats, 3000, 777, 777, 127, &codes, &scales) == 3000)
      #expect(loaded.int8Codes == codes)
      #expect(loaded.scaleNumbers == scales)
    }
  }

  @Test(arguments: [Float.nan, .infinity])
  func whatIsNoNumberIsNamedAndLeavesNothingBehind(_ bad: Float) throws {
    for recipe in ["w8a8", "f16", "bf16"] {
      var numbers = QuantizationSamples.numbers(16 * 16)
      numbers[5 * 16 + 3] = bad
      let name = "transformer_blocks.0.attn2.to_q.weight"
      let tensor = QuantizationSamples.tensor(name, [16, 16], numbers)
      try QuantizationSamples.withModel([.transformer: [tensor]]) { path, output in
        let error = #expect(throws: SanaError.self) { try quantize(path, to: output, recipe) }
        #expect(error?.code == .numericalFailure)
        #expect(error?.message.contains("transformer/\(name)") == true)
        #expect(error?.message.contains(bad.isNaN ? "(1 NaN)" : "(1 infinite)") == true)
        let folder = URL(filePath: output).deletingLastPathComponent().path
        let left = try FileManager.default.contentsOfDirectory(atPath: folder)
        #expect(left == ["model.sana"])
      }
    }
  }

  @Test func whatIsTooLargeForF16KeepsItsEncoding() throws {
    var numbers = QuantizationSamples.numbers(16 * 16)
    numbers[200] = -70_000
    numbers[3] = 65_520
    let large = QuantizationSamples.tensor("decoder.large.weight", [16, 16], numbers)
    numbers[200] = 65_519
    numbers[3] = 0
    let fits = QuantizationSamples.tensor("decoder.fits.weight", [16, 16], numbers)
    try QuantizationSamples.withModel([.autoencoder: [large, fits]]) { path, output in
      let file = try ModelFile(path: path)
      let plan = try QuantizationPlan(file, recipe: .named("w8a8"))
      let quantizer = try Quantizer(file: file, plan: plan)
      #expect(quantizer.overflows.map(\.name) == ["decoder.large.weight"])
      #expect(quantizer.overflows.first?.largestMagnitude == 70_000)
      #expect(quantizer.overflows.first?.count == 2)
      try quantizer.write(to: output, tool: "a test")
      let source = try ModelFile(path: output).source(for: .autoencoder)
      #expect(source.description(of: "decoder.large.weight")?.encoding == .f32)
      #expect(source.description(of: "decoder.fits.weight")?.encoding == .f16)

      let error = #expect(throws: SanaError.self) {
        try quantize(path, to: output, "w8a8", ["large=f16"])
      }
      #expect(error?.code == .numericalFailure)
      #expect(error?.message.contains("decoder.large.weight") == true)
    }
  }

  @Test func aQuantizedModelIsNotQuantizedAgainUnlessAsked() throws {
    try QuantizationSamples.withModel { path, output in
      _ = try quantize(path, to: output, "w8a8")
      let error = #expect(throws: SanaError.self) {
        try quantize(output, to: output + "2", "w4a16")
      }
      #expect(error?.code == .invalidArgument)
      #expect(error?.remedy.contains("--allow-requantize") == true)
      let again = try quantize(output, to: output + "2", "w4a16", allowsRequantizing: true)
      let source = try again.source(for: .transformer)
      #expect(
        source.description(of: "transformer_blocks.0.attn2.to_q.weight")?.encoding
          == .int4Grouped(groupSize: 32))
    }
  }

  @Test func cancellingStopsAndLeavesNothingBehind() throws {
    try QuantizationSamples.withModel { path, output in
      let file = try ModelFile(path: path)
      let cancellation = CancellationToken()
      let quantizer = try Quantizer(
        file: file, plan: QuantizationPlan(file, recipe: .named("w8a8")),
        cancellation: cancellation)
      let error = #expect(throws: SanaError.self) {
        try quantizer.write(to: output, tool: "a test") { _ in cancellation.cancel() }
      }
      #expect(error?.code == .cancelled)
      let folder = URL(filePath: output).deletingLastPathComponent().path
      let left = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(left == ["model.sana"])
    }
  }
}
