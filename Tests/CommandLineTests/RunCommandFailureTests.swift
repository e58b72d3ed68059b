import Foundation
import TestSupport
import Testing
import WeightFormats

/// Everything a user can get wrong with `sana-run` is one clear error, and leaves nothing behind.
@Suite struct RunCommandFailureTests {
  private let directory: TestDirectory
  private let tool: Tool
  private let model: String

  init() throws {
    directory = try TestDirectory()
    tool = try Tool("sana-run")
    model = try ConvertedModels.make("sana-tiny", in: directory)
  }

  private func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory.url.path).sorted()
  }

  /// - Parameter status: 64 where the argument parser refuses and prints the usage too.
  private func expectFailure(
    _ arguments: [String], saying text: String, status: Int32 = 1,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let before = try names()
    let outcome = try tool.run(arguments)
    #expect(outcome.status == status, sourceLocation: sourceLocation)
    #expect(outcome.output.isEmpty, sourceLocation: sourceLocation)
    #expect(
      outcome.error.contains(text), "\(outcome.error)", sourceLocation: sourceLocation)
    if status == 1 {
      #expect(outcome.error.hasPrefix("error: "), sourceLocation: sourceLocation)
      #expect(outcome.error.contains("; "), sourceLocation: sourceLocation)
      #expect(outcome.error.count { $0 == "\n" } == 1, sourceLocation: sourceLocation)
    }
    #expect(try names() == before, sourceLocation: sourceLocation)
  }

  private func expectFailure(
    with options: [String], saying text: String, status: Int32 = 1,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    try expectFailure(
      [model, "--prompt", "a fox", "-o", directory.path("out.png")] + options, saying: text,
      status: status, sourceLocation: sourceLocation)
  }

  private func expectFailure(
    model: String, saying text: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    try expectFailure(
      [model, "--prompt", "a fox", "-o", directory.path("out.png")], saying: text,
      sourceLocation: sourceLocation)
  }

  @Test func anInstructionSetThatIsNone() throws {
    let outcome = try Tool.shell(
      "SANA_ISA=mmx '\(tool.path)' '\(model)' --prompt fox -o '\(directory.path("out.png"))'")
    #expect(outcome.status == 1)
    #expect(outcome.error.hasPrefix("error: SANA_ISA is 'mmx'"))
    #expect(outcome.error.contains("use one of portable"))
  }

  @Test func aModelThatIsNone() throws {
    try expectFailure(model: directory.path("missing.sana"), saying: "check the path")
    try expectFailure(model: directory.url.path, saying: directory.url.path)
    try expectFailure(
      model: try directory.write("no model at all, but long enough for a header", to: "text.sana"),
      saying: "text.sana")
    try expectFailure(model: try directory.write("", to: "empty.sana"), saying: "empty.sana")
  }

  @Test(arguments: [1, 100, 4096, 100_000])
  func aTruncatedModel(missing: Int) throws {
    let bytes = try [UInt8](Data(contentsOf: URL(filePath: model)))
    try expectFailure(
      model: try directory.write(Array(bytes.dropLast(missing)), to: "short.sana"),
      saying: "short.sana")
  }

  @Test func aDamagedModel() throws {
    var bytes = try [UInt8](Data(contentsOf: URL(filePath: model)))
    let file = try ModelFile(path: model)
    let tensor = try #require(file.component(.transformer)?.tensors.first)
    bytes[tensor.values.offset] ^= 1
    try expectFailure(
      model: try directory.write(bytes, to: "damaged.sana"), saying: tensor.name)
  }

  @Test func aModelWithoutAllNetworks() throws {
    let path = directory.path("part.sana")
    try CheckpointConversion(
      OfficialCheckpoint(path: Checkpoints.path("sana-tiny"), components: [.transformer])
    ).write(to: path)
    try expectFailure(model: path, saying: "has no text-encoder")
  }

  @Test func anOutputThatCannotBeWritten() throws {
    func expect(_ path: String, saying text: String) throws {
      try expectFailure([model, "--prompt", "a fox", "-o", path], saying: text)
    }
    try expect(directory.path("none/out.png"), saying: "there is no directory")
    try expect(directory.url.path, saying: "is a directory")
    try expect(model + "/out.png", saying: "is not a directory")
    try expect("/dev/null", saying: "is a device or a pipe")
    try expect("", saying: "the output's name is empty")
    try expect("/proc/out.png", saying: "/proc/out.png")
  }

  @Test func sizesThatCannotBeDrawn() throws {
    try expectFailure(with: ["--no-binning", "--width", "100"], saying: "choose 96")
    try expectFailure(with: ["--no-binning", "--height", "1000"], saying: "choose 992")
    try expectFailure(with: ["--width", "0"], saying: "a width of 0 pixels")
    try expectFailure(with: ["--width", "0"], saying: "choose 1 to 16384")
    try expectFailure(with: ["--height", "-64"], saying: "a height of -64 pixels")
    try expectFailure(with: ["--width", "1000000"], saying: "a width of 1000000 pixels")
    try expectFailure(with: ["--width", "wide"], saying: "--width", status: 64)
  }

  @Test func stepsGuidanceCountsAndSeedsThatMakeNoSense() throws {
    try expectFailure(with: ["--steps", "0"], saying: "0 steps")
    try expectFailure(with: ["--steps", "-3"], saying: "-3 steps")
    try expectFailure(with: ["--steps", "100000"], saying: "100000 steps")
    try expectFailure(with: ["--guidance", "-1"], saying: "guidance scale of -1")
    try expectFailure(with: ["--guidance", "nan"], saying: "guidance scale of nan")
    try expectFailure(with: ["--guidance", "1e9"], saying: "guidance scale of 1000000000")
    try expectFailure(with: ["--count", "0"], saying: "0 pictures")
    try expectFailure(with: ["--seed", "-2"], saying: "--seed", status: 64)
    try expectFailure(with: ["--threads", "0"], saying: "0 threads")
    try expectFailure(with: ["--threads", "100000"], saying: "100000 threads")
  }

  @Test func sequencesLongerThanTheModelsContext() throws {
    try expectFailure(
      with: ["--max-sequence-length", "0"], saying: "choose --max-sequence-length 1")
    try expectFailure(with: ["--max-sequence-length", "-5"], saying: "cut to -5 tokens")
    try expectFailure(with: ["--max-sequence-length", "8193"], saying: "1 to 8192")
    let instruction = try directory.write(
      String(repeating: "eight words that are about nothing at all ", count: 20_000),
      to: "long.txt")
    try expectFailure(with: ["--instruction", instruction], saying: "8192 positions")
  }

  /// A copy of the model with other numbers in one tensor of the transformer.
  private func model(replacing name: String, by value: Float) throws -> String {
    let file = try ModelFile(path: model)
    let path = directory.path("replaced.sana")
    let writer = try ContainerWriter(path: path)
    for component in file.components {
      let kind = try #require(component.kind)
      try writer.beginComponent(kind, metadata: component.metadata)
      let source = try file.source(for: kind)
      for entry in component.tensors {
        guard kind == .transformer, entry.name == name else {
          try writer.append(try source.load(entry.name), metadata: entry.metadata)
          continue
        }
        let description = TensorDescription(
          name: name, shape: entry.description.shape, encoding: .f32)
        try writer.append(
          StoredTensor(
            description: description,
            values: TensorBytes(byteCount: description.valueByteCount) {
              $0.bindMemory(to: Float.self).update(repeating: value)
            }), metadata: entry.metadata)
      }
    }
    try writer.finish(metadata: file.metadata)
    return path
  }

  /// The failure leads to the tensor, and no remedy is what was just tried.
  @Test(arguments: [[], ["--precision", "f32"]])
  func aModelWithWeightsThatAreNoNumbers(options: [String]) throws {
    let arguments =
      [
        "--prompt", "a fox", "-o", directory.path("out.png"), "--width", "64", "--height", "64",
        "--no-binning",
      ] + options
    let damaged = try model(replacing: "transformer_blocks.1.ff.conv_inverted.bias", by: .nan)
    try expectFailure(
      [damaged] + arguments,
      saying:
        "the transformer's weight 'transformer_blocks.1.ff.conv_inverted.bias' does; convert the model again"
    )
    let large = try model(replacing: "proj_out.bias", by: .greatestFiniteMagnitude)
    let outcome = try tool.run([large] + arguments)
    #expect(outcome.status == 1)
    #expect(outcome.error.contains("the largest, 3.4028235e+38, is in 'proj_out.bias'"))
    #expect(outcome.error.contains("--precision f32") == options.isEmpty)
  }

  @Test func namesThatNothingHas() throws {
    try expectFailure(with: ["--scheduler", "ddim"], saying: "dpm++", status: 64)
    try expectFailure(with: ["--device", "toaster"], saying: "--device", status: 64)
    try expectFailure(with: ["--precision", "int3"], saying: "f32", status: 64)
    try expectFailure(with: ["--memory-limit", "lots"], saying: "--memory-limit", status: 64)
    try expectFailure(with: ["--device", "vulkan:99"], saying: "there is no vulkan:99")
    try expectFailure(with: ["--instruction", directory.path("none.txt")], saying: "none.txt")
    try expectFailure(with: ["--no-such-option"], saying: "Unknown option", status: 64)
  }

  @Test func flagsThatContradictTheModelOrEachOther() throws {
    try expectFailure(with: ["--scheduler", "scm"], saying: "Sprint models only")
    try expectFailure(
      [model, "-o", directory.path("out.png")], saying: "--prompt", status: 64)
    try expectFailure([model, "--prompt", "a fox"], saying: "--output", status: 64)
  }

  @Test func aMemoryLimitThatIsTooSmall() throws {
    try expectFailure(with: ["--memory-limit", "1MiB"], saying: "allow at least")
    try expectFailure(with: ["--memory-limit", "0"], saying: "allow at least")
  }
}
