import ArgumentParser
import CommandLineSupport
import Quantization
import Support
import WeightFormats

struct QuantizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantize",
    abstract: "Encode a model's weights in fewer bits.",
    usage:
      "sana-quant [quantize] <model.sana> --recipe <recipe> --output <smaller.sana> [<options>]",
    discussion: Recipe.all.map { "\($0.name): \($0.summary)" }.joined(separator: "\n"))

  @Argument(help: "The .sana file to start from.")
  var model: String

  @Option(help: "\(Recipe.all.map(\.name).joined(separator: ", ")).")
  var recipe: String

  @Option(name: .shortAndLong, help: "The .sana file to write.")
  var output: String

  @Option(
    name: .customLong("rule"), parsing: .singleValue,
    help: ArgumentHelp(
      "What tensors become whose component/name the regular expression finds; repeatable, later rules win."
        + " Encodings: \(TensorTarget.grammar).", valueName: "regex=encoding"))
  var rules: [String] = []

  @Option(
    help: ArgumentHelp(
      "How codes are found: "
        + QuantizationMethod.all.map { "\($0.name) (\($0.summary))" }.joined(separator: ", ") + ".",
      valueName: "method"))
  var method = QuantizationMethod.secondOrder.name

  @Option(
    help: ArgumentHelp(
      "What products multiply, gathered by sana-quant calibrate. (default: gathered from prompts of its own)",
      valueName: "statistics.h5"))
  var calibration: String?

  @Flag(help: "Encode tensors again that are already quantized.")
  var allowRequantize = false

  @Option(help: .compression)
  var compression = ContainerCompression.fast

  @Flag(help: "Print what each stage took.")
  var timings = false

  @Flag(help: "Print one JSON object on standard output.")
  var json = false

  func run() throws {
    try ToolSession.run { session in
      let recipe = try Recipe.named(recipe)
      let method = try QuantizationMethod.named(method)
      let rules = try rules.map { try QuantizationRule(parsing: $0) }
      _ = try OutputFile(
        output, .model, reading: InputFiles([model] + (calibration.map { [$0] } ?? [])))
      let file = try ModelFile(path: model)
      let plan = try QuantizationPlan(
        file, recipe: recipe, rules: rules, allowsRequantizing: allowRequantize)
      let statistics = try StatisticsChoice(
        file: file, plan: plan, method: method, path: calibration, output: output
      ).statistics(session)
      session.progress.begin("examine")
      let quantizer = try Quantizer(
        file: file, plan: plan, method: method, statistics: statistics,
        cancellation: session.cancellation)
      let instruction = try InstructionEncoding(file: file, encoding: recipe.base)
        .tensors(session)
      let total = file.components.reduce(0) { $0 + $1.rawByteCount }
      session.progress.begin("quantize", total: total)
      try quantizer.write(
        to: output, tool: "sana-quant \(Toolchain.version)", compression: compression,
        derived: [.textEncoder: instruction]
      ) { session.progress.update($0) }
      session.progress.end()
      for overflow in quantizer.overflows {
        session.progress.note(
          "\(overflow.component.rawValue)/\(overflow.name) holds \(overflow.count) number\(overflow.count == 1 ? "" : "s") too"
            + " large for \(overflow.wanted), up to \(overflow.largestMagnitude); it stays \(overflow.kept)"
        )
      }
      guard let written = try session.openWritten(output) else { return }
      let report = QuantizationReport(quantizer, before: file, after: written)
      if let vanished = report.vanished { session.progress.note(vanished) }
      if json {
        try JSONOutput.print(
          .object(
            (report.json.members ?? [])
              + (timings ? [.init("timings", quantizer.times.json)] : [])))
      } else {
        try OutputStream.standardOutput.write(report.text)
        if timings { try OutputStream.standardOutput.write("\n" + quantizer.times.text) }
      }
    }
  }
}
