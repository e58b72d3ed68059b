import Foundation
import SanaEngine
import SanaGraph
import TestSupport
import Testing
import WeightFormats

/// No command replaces a link, a device or a file that it reads.
@Suite struct OutputSafetyTests {
  private let directory: TestDirectory
  private let model: String
  private let tiny = Checkpoints.path("sana-tiny")

  init() throws {
    directory = try TestDirectory()
    model = try ConvertedModels.make("sana-tiny", in: directory)
  }

  private func contents(_ path: String) throws -> Data { try Data(contentsOf: URL(filePath: path)) }

  private func link(_ name: String, to target: String) throws -> String {
    let path = directory.path(name)
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
    return path
  }

  private func linkTarget(_ path: String) throws -> String {
    try FileManager.default.destinationOfSymbolicLink(atPath: path)
  }

  private func isPNG(_ data: Data) -> Bool { data.starts(with: [0x89, 0x50, 0x4E, 0x47]) }

  private func draw(_ output: String, _ arguments: String...) throws -> Tool.Outcome {
    try Tool("sana-run").run(
      [
        model, "--prompt", "a fox", "--width", "64", "--height", "64", "--steps", "1",
        "--no-binning", "-o", output,
      ] + arguments)
  }

  private func quantize(_ output: String) throws -> Tool.Outcome {
    try Tool("sana-quant").run(model, "--recipe", "w8a8", "-o", output)
  }

  /// Every command that writes one file, with an output.
  private func commands(_ output: String) throws -> [Tool.Outcome] {
    [
      try Tool("sana-convert").run(tiny, "-o", output), try quantize(output), try draw(output),
    ]
  }

  private func expectRefusal(
    _ outcome: Tool.Outcome, saying words: String...,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(outcome.status == 1, sourceLocation: sourceLocation)
    #expect(outcome.error.hasPrefix("error: "), sourceLocation: sourceLocation)
    #expect(
      outcome.error.count { $0 == "\n" } == 1, "\(outcome.error)", sourceLocation: sourceLocation)
    for word in words {
      #expect(outcome.error.contains(word), "\(outcome.error)", sourceLocation: sourceLocation)
    }
  }

  @Test func aLinkStaysAndWhatItNamesIsWritten() throws {
    try directory.write("", to: "elsewhere/target.png")
    let second = try link("second.png", to: "elsewhere/target.png")
    let first = try link("first.png", to: second)
    #expect(try draw(first).status == 0)
    #expect(try linkTarget(first) == second)
    #expect(try linkTarget(second) == "elsewhere/target.png")
    #expect(isPNG(try contents(directory.path("elsewhere/target.png"))))

    let dangling = try link("new.sana", to: "elsewhere/new.sana")
    #expect(try quantize(dangling).status == 0)
    #expect(try linkTarget(dangling) == "elsewhere/new.sana")
    #expect(throws: Never.self) { try ModelFile(path: directory.path("elsewhere/new.sana")) }
    // A second run replaces what the first has written.
    #expect(try Tool("sana-convert").run(tiny, "-o", dangling).status == 0)
    #expect(try linkTarget(dangling) == "elsewhere/new.sana")

    let folder = try link("export", to: "elsewhere/export")
    #expect(try Tool("sana-convert").run("export", model, "-o", folder).status == 0)
    #expect(try linkTarget(folder) == "elsewhere/export")
    #expect(try OfficialCheckpoint(path: directory.path("elsewhere/export")).components.count == 3)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: directory.path("elsewhere")).sorted()
        == ["export", "new.sana", "target.png"])
  }

  @Test func linksThatLeadNowhereAreRefused() throws {
    let circle = try link("a.png", to: "b.png")
    _ = try link("b.png", to: "a.png")
    for outcome in try commands(circle) { expectRefusal(outcome, saying: "leads back to itself") }
    let lost = try link("c.png", to: "none/out.png")
    for outcome in try commands(lost) { expectRefusal(outcome, saying: "there is no directory") }
    for (name, target) in [
      ("descriptor", "/proc/self/fd/2"), ("null", "/dev/null"), ("new", "/dev/no-such-device"),
      ("executable", "/proc/self/exe"), ("system", "/sys/out"),
    ] {
      let path = try link(name, to: target)
      for outcome in try commands(path) { expectRefusal(outcome, saying: path) }
      expectRefusal(try Tool("sana-convert").run("export", model, "-o", path), saying: path)
      #expect(try linkTarget(path) == target)
    }
  }

  @Test func pipesAreRefused() throws {
    let pipe = directory.path("pipe")
    #expect(mkfifo(pipe, 0o644) == 0)
    for outcome in try commands(pipe) { expectRefusal(outcome, saying: "is a device or a pipe") }
    // Nor is a pipe that nobody writes to waited for as an input.
    expectRefusal(
      try Tool("sana-run").run(pipe, "--prompt", "x", "-o", directory.path("x.png")), saying: pipe)
  }

  @Test(arguments: ["name", "hard link", "link", "other way"])
  func aModelIsNotReplacedByWhatIsMadeOfIt(kind: String) throws {
    let before = try contents(model)
    let output = directory.path("other.sana")
    let path: String
    switch kind {
    case "name": path = model
    case "hard link":
      try FileManager.default.linkItem(atPath: model, toPath: output)
      path = output
    case "link": path = try link("other.sana", to: model)
    default: path = directory.path("../\(directory.url.lastPathComponent)/sana-tiny.sana")
    }
    expectRefusal(try quantize(path), saying: "this command")
    expectRefusal(try draw(path), saying: "this command")
    expectRefusal(
      try Tool("sana-demo").run(model, "--only", "1", "-o", path), saying: "this command")
    #expect(try contents(model) == before)
    if kind == "link" { #expect(try linkTarget(path) == model) }
  }

  @Test func noInputOfAConversionIsReplaced() throws {
    let checkpoint = try directory.copy(Checkpoints.url("sana-tiny"), to: "checkpoint")
    let weights = checkpoint + "/transformer/diffusion_pytorch_model.safetensors"
    let convert = try Tool("sana-convert")
    for (input, output) in [
      (checkpoint, weights), (checkpoint, checkpoint + "/transformer/config.json"),
      (checkpoint, checkpoint + "/model_index.json"),
      (checkpoint, checkpoint + "/tokenizer/tokenizer.model"), (weights, weights),
      (checkpoint + "/transformer", weights),
      (weights, checkpoint + "/transformer/config.json"),
      (checkpoint + "/text_encoder", checkpoint + "/tokenizer/tokenizer.model"),
    ] {
      let before = try contents(output)
      expectRefusal(try convert.run(input, "-o", output), saying: output, "this command")
      #expect(try contents(output) == before)
    }
    // Whatever its name: weights can be called .sana, and a link can lead to them.
    let renamed = checkpoint + "/transformer/weights.sana"
    try FileManager.default.moveItem(atPath: weights, toPath: renamed)
    expectRefusal(try convert.run(renamed, "-o", renamed), saying: "this command")
    expectRefusal(
      try convert.run(renamed, "-o", try link("out.sana", to: renamed)), saying: "this command")
  }

  @Test func aFileOfAnotherKindIsNotReplaced() throws {
    let checkpoint = try directory.copy(Checkpoints.url("sana-tiny"), to: "checkpoint")
    let others = try directory.copy(Checkpoints.url("sana-tiny"), to: "other")
    let weights = others + "/vae/diffusion_pytorch_model.safetensors"
    expectRefusal(
      try Tool("sana-convert").run(checkpoint, "-o", weights), saying: "a safetensors file")
    expectRefusal(try draw(others + "/vae/config.json"), saying: "a JSON document")
    let copy = directory.path("copy.sana")
    try FileManager.default.copyItem(atPath: model, toPath: copy)
    expectRefusal(try draw(copy), saying: "a .sana model")
    // An older output is what a command may replace.
    #expect(try quantize(copy).status == 0)
    // So is one that an earlier conversion has put beside the checkpoint.
    let inside = checkpoint + "/model.sana"
    #expect(try Tool("sana-convert").run(checkpoint, "-o", inside).status == 0)
    #expect(try Tool("sana-convert").run(checkpoint, "-o", inside).status == 0)
  }

  @Test func anInstructionIsNotReplaced() throws {
    let instruction = try directory.write("Draw well.", to: "instruction.txt")
    expectRefusal(
      try draw(instruction, "--instruction", instruction), saying: "is read by this command")
    #expect(try contents(instruction) == Data("Draw well.".utf8))
  }

  @Test func aWriteProtectedFileIsNotReplaced() throws {
    let output = try directory.write("precious", to: "out.png")
    #expect(chmod(output, 0o444) == 0)
    expectRefusal(try draw(output), saying: "write-protected")
    #expect(try contents(output) == Data("precious".utf8))
  }

  @Test func numberedPicturesDoNotReplaceEachOther() throws {
    _ = try link("out-1.png", to: "out-2.png")
    expectRefusal(
      try draw(directory.path("out.png"), "--count", "2"),
      saying: "leads to the place of another of the pictures")
  }

  @Test(arguments: ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
  func aPictureGoesToStandardOutput(name: String) throws {
    let output = name == "link" ? try link("out", to: "/proc/self/fd/1") : name
    let picture = directory.path("picture.png")
    let tool = try Tool("sana-run").path
    let command =
      "'\(tool)' '\(model)' --prompt x --width 64 --height 64 --steps 1 --no-binning -o '\(output)'"
    for way in [" >'\(picture)'", " | cat >'\(picture)'"] {
      let outcome = try Tool.shell(command + way)
      #expect(outcome.status == 0)
      #expect(outcome.error.contains("wrote to standard output"), "\(outcome.error)")
      #expect(outcome.error.contains("planned peak memory"))
      #expect(try PNGFile.read(picture).width == 64)
    }
    if name == "link" { #expect(try linkTarget(output) == "/proc/self/fd/1") }
    expectRefusal(try draw(output, "--count", "2"), saying: "takes one picture, not 2")
    expectRefusal(try draw(output, "--json"), saying: "drop --json")
    expectRefusal(try quantize(output), saying: "cannot be written to standard output")
    expectRefusal(
      try Tool("sana-convert").run(tiny, "-o", output), saying: "cannot be written to standard")
    expectRefusal(
      try Tool("sana-convert").run("export", model, "-o", output), saying: "name a folder")
  }

  @Test(arguments: ["out.jpg", "out.JPEG", "out.webp", "out.tiff"])
  func anEndingOfAnotherFormatIsRefused(name: String) throws {
    expectRefusal(try draw(directory.path(name)), saying: "end the name in .png")
  }

  @Test(arguments: ["out", "out.PNG", "jpg", "v1.5"])
  func otherNamesAreTaken(name: String) throws {
    #expect(try draw(directory.path(name)).status == 0)
    #expect(isPNG(try contents(directory.path(name))))
  }
}
