import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

@Suite struct QuantizeCommandTests {
  private let quant: Tool
  private let directory: TestDirectory
  private let model: String

  init() throws {
    quant = try Tool("sana-quant")
    directory = try TestDirectory()
    model = directory.path("tiny.sana")
    let checkpoint = Fixtures.directory.appending(path: "checkpoints/sana-tiny").path
    let converted = try Tool("sana-convert").run(checkpoint, "-o", model)
    try #require(converted.status == 0, "\(converted.error)")
  }

  @Test func everyTensorHasALineAndTheTotalsFollow() throws {
    let output = directory.path("w8a8.sana")
    let outcome = try quant.run(model, "--recipe", "w8a8", "-o", output)
    #expect(outcome.status == 0, "\(outcome.error)")
    let tensors = try ModelFile(path: output).components.flatMap(\.tensors)
    let lines = outcome.output.split(separator: "\n")
    // Titles, a rule, a line a tensor, the totals.
    #expect(lines.count == tensors.count + 3)
    let product = try #require(lines.first { $0.contains("blocks.0.attn1.to_qkv.weight") })
    #expect(product.contains("int8/a8"))
    #expect(lines.last?.hasPrefix("\(tensors.count) tensors, recipe w8a8: ") == true)
    #expect(try Tool("sana-convert").run("check", output).status == 0)
  }

  @Test func theReportIsOneJSONObject() throws {
    let output = directory.path("w8a16.sana")
    let outcome = try quant.run(
      model, "--recipe", "w8a16", "-o", output, "--rule", "proj_out=f32", "--json")
    #expect(outcome.status == 0, "\(outcome.error)")
    let report = try Array(outcome.output.utf8).withUnsafeBytes {
      try JSONParser.parse($0, location: "report")
    }
    #expect(report["recipe"]?.stringValue == "w8a16")
    #expect(report["bytes_after"]?.integerValue == (try ModelFile(path: output).byteCount))
    let tensors = try #require(report["tensors"]?.arrayValue)
    let product = try #require(
      tensors.first { $0["name"]?.stringValue?.hasSuffix("0.attn1.to_qkv.weight") == true })
    #expect(product["after"]?.stringValue == "int8")
    #expect(try #require(product["snr_db"]?.numberValue) > 20)
  }

  @Test(arguments: [
    (["--recipe", "w2a2"], "there is no recipe 'w2a2'; choose one of f32, f16, bf16, w8a16, w8a8"),
    (["--recipe", "f16", "--rule", "no.such.tensor=f32"], "fits no tensor"),
    (["--recipe", "f16", "--rule", "(=f32"], "not a regular expression"),
    (["--recipe", "f16", "--rule", "attn=int3"], "unknown encoding 'int3'"),
  ])
  func whatCannotBeDoneIsOneLineAndLeavesNothing(_ arguments: [String], _ words: String) throws {
    let output = directory.path("out.sana")
    let outcome = try quant.run([model, "-o", output] + arguments)
    #expect(outcome.status == 1)
    #expect(outcome.output.isEmpty)
    #expect(outcome.error.hasPrefix("error: "))
    #expect(outcome.error.contains(words), "\(outcome.error)")
    #expect(outcome.error.split(separator: "\n").count == 1)
    #expect(!FileManager.default.fileExists(atPath: output))
  }

  @Test func aTruncatedModelIsRefused() throws {
    let bytes = try Data(contentsOf: URL(filePath: model))
    let damaged = directory.path("damaged.sana")
    try bytes.dropLast(1000).write(to: URL(filePath: damaged))
    let output = directory.path("out.sana")
    let outcome = try quant.run(damaged, "--recipe", "w8a8", "-o", output)
    #expect(outcome.status == 1)
    #expect(outcome.error.contains("is incomplete"))
    #expect(!FileManager.default.fileExists(atPath: output))
  }

  @Test func aQuantizedModelIsNotQuantizedAgain() throws {
    let once = directory.path("once.sana")
    #expect(try quant.run(model, "--recipe", "w8a8", "-o", once).status == 0)
    let twice = directory.path("twice.sana")
    let outcome = try quant.run(once, "--recipe", "w4a16", "-o", twice)
    #expect(outcome.status == 1)
    #expect(outcome.error.contains("--allow-requantize"))
    let allowed = try quant.run(
      once, "--recipe", "w4a16", "-o", twice, "--allow-requantize")
    #expect(allowed.status == 0, "\(allowed.error)")
  }

  @Test func theInstructionIsEncodedOnceAndAnewWhenWeightsChange() throws {
    let once = directory.path("once.sana")
    let outcome = try quant.run(model, "--recipe", "w8a8", "-o", once)
    let line = try #require(
      outcome.output.split(separator: "\n").first { $0.contains("instruction.tokens") })
    #expect(line.contains("added"))
    let source = try ModelFile(path: once).source(for: .textEncoder)
    let count = try #require(source.description(of: InstructionTensors.tokens)?.elementCount)
    let keys = InstructionTensors.keyValue(layer: 0)
    #expect(source.description(of: keys)?.shape.first == count)
    #expect(source.description(of: keys)?.encoding == .f16)

    let twice = directory.path("twice.sana")
    #expect(
      try quant.run(once, "--recipe", "bf16", "-o", twice, "--allow-requantize").status == 0)
    let again = try ModelFile(path: twice).source(for: .textEncoder)
    #expect(again.description(of: keys)?.encoding == .bf16)
    // What is coded anew needs no factors of the coding before.
    let kept = source.component.tensors.filter { !InputFactors.isName($0.name) }
    #expect(again.component.tensors.map(\.name) == kept.map(\.name))

    // It is no weight: neither a count of parameters nor an official checkpoint has it.
    let convert = try Tool("sana-convert")
    func parameters(_ path: String) throws -> [Int?] {
      let report = try Array(convert.run("inspect", path, "--json").output.utf8).withUnsafeBytes {
        try JSONParser.parse($0, location: "report")
      }
      return report["components"]?.arrayValue?.map { $0["parameters"]?.integerValue } ?? []
    }
    #expect(try parameters(once) == parameters(model))
    let exported = directory.path("exported")
    #expect(try convert.run("export", once, "-o", exported).status == 0)
    #expect(try convert.run(exported, "-o", directory.path("back.sana")).status == 0)
  }

  @Test func aTokenizerOfJSONAloneEncodesTheSameInstruction() throws {
    let folder = try directory.copy(Checkpoints.url("sana-tiny"), to: "checkpoint")
    try FileManager.default.removeItem(atPath: folder + "/tokenizer/tokenizer.model")
    let other = directory.path("other.sana")
    try CheckpointConversion(OfficialCheckpoint(path: folder)).write(to: other)
    let tensors = try [model, other].map { model in
      let output = directory.path("quantized.sana")
      #expect(try quant.run(model, "--recipe", "w8a8", "-o", output).status == 0)
      let source = try ModelFile(path: output).source(for: .textEncoder)
      let names = source.component.tensors.map(\.name).filter { $0.hasPrefix("instruction.") }
      #expect(names.count > 2)
      return try names.map { name in
        let values = try source.load(name).values
        return withExtendedLifetime(values) { Array(values.bytes) }
      }
    }
    #expect(tensors[0] == tensors[1])
  }

  @Test func aTextEncoderThatCannotRunIsQuantizedAllTheSame() throws {
    let source = directory.path("part.sana")
    let file = try ModelFile(path: model)
    let encoder = try file.source(for: .textEncoder)
    let writer = try ContainerWriter(path: source)
    try writer.beginComponent(.textEncoder, metadata: encoder.component.metadata)
    for tensor in encoder.component.tensors where tensor.name != "norm.weight" {
      try writer.append(encoder.load(tensor.name), metadata: tensor.metadata)
    }
    try writer.finish(metadata: file.metadata)
    let output = directory.path("out.sana")
    let outcome = try quant.run(source, "--recipe", "w8a8", "-o", output)
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(outcome.error.contains("the instruction is not encoded ahead"), "\(outcome.error)")
    #expect(outcome.error.contains("norm.weight"), "\(outcome.error)")
    #expect(
      try ModelFile(path: output).source(for: .textEncoder)
        .description(of: InstructionTensors.tokens) == nil)
  }

  @Test func numbersBeyondF16StayAndThoseTooSmallAreCounted() throws {
    let source = directory.path("wide.sana")
    let numbers = (0..<64).map { $0 == 5 ? 70_000 : $0 < 3 ? Float(0x1p-30) : Float($0) }
    let writer = try ContainerWriter(path: source)
    try writer.beginComponent(.transformer, metadata: .object([]))
    for (name, values) in [("wide.weight", numbers), ("narrow.weight", numbers.map { min($0, 9) })]
    {
      try writer.append(
        StoredTensor(
          description: TensorDescription(name: name, shape: [8, 8], encoding: .f32),
          values: TensorBytes(byteCount: 256) { memory in
            values.withUnsafeBytes { memory.copyMemory(from: $0) }
          }))
    }
    try writer.finish(metadata: .object([]))
    let output = directory.path("f16.sana")
    let outcome = try quant.run(source, "--recipe", "f16", "-o", output, "--json")
    #expect(outcome.status == 0)
    #expect(
      outcome.error.split(separator: "\n") == [
        "note: transformer/wide.weight holds 1 number too large for f16, up to 70000.0; it stays f32",
        "note: 3 numbers of 1 tensors are too small for 16 bits and became zero (rounded_to_zero in --json)",
      ])
    let report = try Array(outcome.output.utf8).withUnsafeBytes {
      try JSONParser.parse($0, location: "report")
    }
    #expect(
      report["kept_for_range"]
        == [
          [
            "name": "transformer/wide.weight", "numbers": 1, "max_abs": .number(70_000),
            "kept": "f32",
          ]
        ])
    let stored = try ModelFile(path: output).source(for: .transformer)
    #expect(stored.description(of: "wide.weight")?.encoding == .f32)
    #expect(stored.description(of: "narrow.weight")?.encoding == .f16)
  }
}
