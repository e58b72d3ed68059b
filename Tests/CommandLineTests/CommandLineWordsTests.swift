import Foundation
import SanaEngine
import SanaGraph
import Support
import TestSupport
import Testing
import WeightFormats

/// What every tool does with the words of its command line and with its streams.
@Suite struct CommandLineWordsTests {
  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  private static let tools = ["sana-convert", "sana-quant", "sana-run", "sana-demo"]
  private static let commands: [[String]] = [
    ["sana-convert", "convert"], ["sana-convert", "inspect"], ["sana-convert", "check"],
    ["sana-convert", "diff"], ["sana-convert", "export"], ["sana-quant", "quantize"],
    ["sana-quant", "verify"], ["sana-run", "generate"], ["sana-run", "plan"],
    ["sana-run", "devices"], ["sana-run", "bench"],
  ]

  private func expectWrongUsage(
    _ tool: String, _ arguments: [String], saying words: String...,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let outcome = try Tool(tool).run(arguments)
    #expect(outcome.status == 64, sourceLocation: sourceLocation)
    #expect(outcome.output.isEmpty, sourceLocation: sourceLocation)
    let line = outcome.error.prefix { $0 != "\n" }
    #expect(line.hasPrefix("error: "), "\(outcome.error)", sourceLocation: sourceLocation)
    for word in words {
      #expect(line.contains(word), "\(outcome.error)", sourceLocation: sourceLocation)
    }
  }

  @Test(arguments: tools)
  func everyToolTellsItsVersion(tool: String) throws {
    let outcome = try Tool(tool).run("--version")
    #expect(outcome.status == 0 && outcome.output == "0.1.0\n")
  }

  @Test(arguments: commands)
  func everyCommandTellsItsVersionAndExplainsItself(command: [String]) throws {
    let tool = try Tool(command[0])
    #expect(try tool.run(command[1], "--version").output == "0.1.0\n")
    let help = try tool.run(command[1], "--help")
    #expect(help.status == 0 && help.error.isEmpty)
    #expect(help.output.contains("USAGE: \(command[0])"))
    for line in help.output.split(separator: "\n") { #expect(line.count <= 100, "\(line)") }
    #expect(!help.output.contains("vulkan"))
  }

  @Test func anUnknownOptionIsNamedThoughAnotherIsMissing() throws {
    try expectWrongUsage(
      "sana-run", ["model.sana", "--promt", "x"], saying: "Unknown option '--promt'", "'--prompt'")
    try expectWrongUsage("sana-run", ["model.sana", "-q"], saying: "Unknown option '-q'")
    try expectWrongUsage("sana-run", ["plan", "--frobnicate=1"], saying: "'--frobnicate'")
    try expectWrongUsage("sana-convert", ["--ouput", "x"], saying: "'--ouput'", "'--output'")
    try expectWrongUsage("sana-quant", ["verify", "--referense"], saying: "'--reference'")
    try expectWrongUsage("sana-demo", ["--colums", "3"], saying: "'--columns'")
    try expectWrongUsage("sana-convert", ["diff", "a"], saying: "Missing expected argument")
  }

  @Test func anOptionGivenTwiceIsRefused() throws {
    try expectWrongUsage(
      "sana-run", ["m", "--prompt", "x", "-o", "a.png", "--output", "b.png"],
      saying: "'--output' is given twice")
    try expectWrongUsage("sana-quant", ["m", "--recipe", "f16", "--recipe=w8a8"], saying: "twice")
  }

  @Test func aValueThatIsLeftOutIsMissed() throws {
    try expectWrongUsage(
      "sana-run", ["m", "--prompt", "--steps", "2"], saying: "Missing value for '--prompt'",
      "write '--prompt=--steps'")
    try expectWrongUsage("sana-run", ["m", "--prompt"], saying: "Missing value for '--prompt")
  }

  @Test(arguments: [
    "-5 degrees", "--", "---", "-", "", "--steps", "-o", "a=b", "-x=y", "\u{301}e",
  ])
  func aPromptMayBeAnyText(prompt: String) throws {
    let model = try ConvertedModels.make("sana-tiny", in: directory)
    let output = directory.path("out.png")
    let joined = ["--steps", "-o", "--"].contains(prompt)
    let outcome = try Tool("sana-run").run(
      [model, "--width", "64", "--height", "64", "--steps", "1", "--no-binning", "-o", output]
        + (joined ? ["--prompt=\(prompt)"] : ["--prompt", prompt]))
    #expect(outcome.status == 0, "\(outcome.error)")
    let quoted = String(decoding: JSONWriter.write(.string(prompt)), as: UTF8.self)
    let picture = try Data(contentsOf: URL(filePath: output))
    #expect(picture.range(of: Data("\"prompt\":\(quoted)".utf8)) != nil)
  }

  @Test func severalPromptsAreDrawnEach() throws {
    let model = try ConvertedModels.make("sana-tiny", in: directory)
    let arguments = [model, "--width", "64", "--height", "64", "--steps", "1", "--no-binning"]
    let run = try Tool("sana-run")
    let both = try run.run(
      arguments + ["--prompt", "a fox", "--prompt", "a hen", "-o", directory.path("both.png")])
    #expect(both.status == 0, "\(both.error)")
    #expect(
      try run.run(arguments + ["--prompt", "a hen", "-o", directory.path("hen.png")]).status == 0)
    #expect(
      try PNGFile.read(directory.path("both-2.png")) == PNGFile.read(directory.path("hen.png")))
    #expect(
      try PNGFile.read(directory.path("both-1.png")) != PNGFile.read(directory.path("hen.png")))
  }

  @Test(arguments: ["random", "-1"])
  func aRandomSeedIsPrintedAndStored(seed: String) throws {
    let model = try ConvertedModels.make("sana-tiny", in: directory)
    var seeds: Set<String> = []
    for _ in 0..<2 {
      let output = directory.path("out.png")
      let outcome = try Tool("sana-run").run(
        model, "--prompt", "x", "--width", "64", "--height", "64", "--steps", "1", "--no-binning",
        "-o", output, "--seed", seed)
      #expect(outcome.status == 0, "\(outcome.error)")
      let printed = try #require(
        outcome.output.split(whereSeparator: { ",\n".contains($0) }).first {
          $0.hasPrefix(" seed ")
        })
      let number = String(printed.dropFirst(" seed ".count))
      seeds.insert(number)
      let picture = try Data(contentsOf: URL(filePath: output))
      #expect(picture.range(of: Data("\"seed\":\"\(number)\"".utf8)) != nil)
    }
    #expect(seeds.count == 2)
    try expectWrongUsage(
      "sana-run", ["m", "--prompt", "x", "-o", "x.png", "--seed", "-2"], saying: "'-2'", "--seed")
  }

  // MARK: - Streams

  @Test(arguments: [
    "sana-run devices", "sana-run devices --json", "sana-run --help", "sana-run --version",
    "sana-convert inspect TINY", "sana-convert inspect TINY --json", "sana-convert diff TINY TINY",
    "sana-convert inspect MODEL --tensors", "sana-convert check MODEL", "sana-run plan MODEL",
    "sana-run plan MODEL --json", "sana-run bench --help",
  ])
  func whatCannotBeWrittenIsAFailure(command: String) throws {
    let model = try ConvertedModels.make("sana-tiny", in: directory)
    let words = command.split(separator: " ")
    let line =
      "'\(try Tool(String(words[0])).path)' "
      + words.dropFirst().joined(separator: " ").replacing(
        "TINY", with: Checkpoints.path("sana-tiny")
      )
      .replacing("MODEL", with: model)
    let full = try Tool.shell("\(line) >/dev/full")
    let failure: Int32 = command.contains("diff") ? 2 : 1
    #expect(full.status == failure, "\(full.error)")
    #expect(full.error.hasPrefix("error: standard output: cannot be written: No space left"))
    #expect(full.error.count { $0 == "\n" } == 1)
    let closed = try Tool.shell("\(line) >&-")
    #expect(closed.status == failure, "\(closed.error)")
    #expect(closed.error.hasPrefix("error: the standard output is closed"))
    // A reader that wants no more is no failure to speak of.
    let left = try Tool.shell("(\(line); echo $? >&2) | true")
    #expect(["141\n", "0\n"].contains(left.error), "\(left.error)")
  }

  @Test func closedStreamsNeverBecomeFiles() throws {
    let output = directory.path("model.sana")
    let convert = try Tool("sana-convert").path
    let tiny = Checkpoints.path("sana-tiny")
    let outcome = try Tool.shell("'\(convert)' '\(tiny)' -o '\(output)' <&- >&- 2>&-")
    #expect(outcome.status == 1)
    #expect(try Tool("sana-convert").run("check", output).status == 0)
  }

  @Test func aLimitOnTheSizeOfFilesIsOneLine() throws {
    let model = try ConvertedModels.make("sana-tiny", in: directory)
    let before = try FileManager.default.contentsOfDirectory(atPath: directory.url.path)
    let quantize = try Tool("sana-quant").path
    let outcome = try Tool.shell(
      "ulimit -f 8; '\(quantize)' '\(model)' --recipe w8a8 -o '\(directory.path("out.sana"))' 2>&1")
    #expect(outcome.status == 1)
    #expect(
      outcome.output.contains("File too large; raise the limit on the size of files (ulimit -f)"))
    #expect(outcome.output.count { $0 == "\n" } == 1, "\(outcome.output)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.url.path) == before)
  }

  // MARK: - Text from files and arguments

  @Test func whatATerminalObeysIsPrintedAsText() throws {
    let escape = "\u{1B}[2J\u{9B}31m\u{202E}"
    let name = directory.path("no\(escape)\nsuch")
    for (tool, arguments) in [
      ("sana-convert", [name, "-o", directory.path("out.sana")]),
      ("sana-convert", ["inspect", name]), ("sana-convert", ["diff", name, name]),
      ("sana-quant", [name, "--recipe", escape, "-o", directory.path("out.sana")]),
      ("sana-run", [name, "--prompt", escape, "-o", directory.path("x.png")]),
      ("sana-run", ["--seed", escape]), ("sana-run", ["--\(escape)"]),
      ("sana-run", ["m", "--prompt", "x", "-o", "x.png", escape]),
    ] {
      let outcome = try Tool(tool).run(arguments)
      #expect(outcome.status != 0)
      let shown = outcome.output + outcome.error
      #expect(!shown.unicodeScalars.contains { $0.isObeyed && $0 != "\n" }, "\(shown)")
      #expect(shown.contains("\\u{1B}["), "\(shown)")
    }
  }

  @Test func aLongWordIsAbbreviated() throws {
    let long = String(repeating: "x", count: 100_000)
    for arguments in [
      ["--\(long)"], ["--seed", long], ["a", long, "b"], [long, "--prompt", "x", "-o", "x.png"],
    ] {
      let outcome = try Tool("sana-run").run(arguments)
      #expect(outcome.status != 0)
      #expect(outcome.error.count < 2000)
    }
  }

  @Test func namesOfTensorsArePrintedAsText() throws {
    let name = "evil\u{1B}[31m\n\u{9B}" + String(repeating: "n", count: 3_000_000)
    let writer = try SafetensorsWriter(
      path: directory.path("file.safetensors"),
      tensors: [CheckpointTensor(name: name, type: .f32, shape: [1])])
    try [UInt8](repeating: 0, count: 4).withUnsafeBytes { try writer.write($0, as: name) }
    try writer.finish()
    for command in [["inspect"], ["convert", "-o", directory.path("out.sana")]] {
      let outcome = try Tool("sana-convert").run(
        [command[0], directory.path("file.safetensors")] + command.dropFirst())
      let shown = outcome.output + outcome.error
      #expect(!shown.unicodeScalars.contains { $0.isObeyed && $0 != "\n" }, "\(shown.prefix(500))")
      #expect(shown.utf8.count < 4000)
    }
  }

  @Test func namesInAModelArePrintedAsText() throws {
    var container = HandmadeContainer()
    let name = "evil\u{1B}[2J\u{9B}31m\u{202E}\n" + String(repeating: "n", count: 300)
    container.tensors[0].name = Array(name.utf8)
    let path = try directory.write(Array(container.bytes), to: "evil.sana")
    var damaged = container
    damaged.tensors[0].planes[0].chunks[0].checksum = 1
    let broken = try directory.write(Array(damaged.bytes), to: "broken.sana")
    for arguments in [
      ["inspect", path], ["inspect", path, "--tensors"], ["inspect", path, "--tensors", "--json"],
      ["check", path], ["check", broken], ["diff", path, broken], ["diff", path, broken, "--json"],
      ["export", path, "-o", directory.path("out")],
    ] {
      let outcome = try Tool("sana-convert").run(arguments)
      let shown = outcome.output + outcome.error
      #expect(!shown.isEmpty)
      #expect(!shown.unicodeScalars.contains { $0.isObeyed && $0 != "\n" }, "\(shown)")
      if arguments.contains("--json"), outcome.status == 0 {
        let object = try Array(outcome.output.utf8).withUnsafeBytes {
          try JSONParser.parse($0, location: "output")
        }
        let tensor = object["components"]?.arrayValue?.first?["tensors"]?.arrayValue?.first
        #expect(tensor?["name"]?.stringValue == name)
      } else {
        for line in shown.split(separator: "\n") { #expect(line.count < 400, "\(line)") }
      }
    }
  }
}
