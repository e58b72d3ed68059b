import ArgumentParser
import CommandLineSupport
import SanaEngine
import SanaGraph
import Support

@main
struct SanaDemo: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sana-demo",
    abstract: "Draw the demo's 20 prompts with each variant of the demo model, and compare.",
    discussion: """
      Writes one contact sheet and prints a table. The first model's pictures, computed in f32, are what the others are \
      compared with.
      """,
    version: Toolchain.version)

  @Argument(help: "Variants of the demo model: .sana files.")
  var models: [String]

  @Option(
    name: [.short, .long], parsing: .unconditional,
    help: "The PNG file to write; - for standard output, with the table on standard error.")
  var output: String

  @Option(
    help: "Draw only these prompts, numbers from 1 with commas between. (default: all)")
  var only: PromptNumbers?

  @Option(parsing: .unconditional, help: "Prompts side by side on the sheet.")
  var columns: Int = 2

  @Option(
    parsing: .unconditional,
    help: "CPU threads. (default: one for each processor that the process may use)")
  var threads: Int?

  mutating func validate() throws {
    guard 1...8 ~= models.count else { throw ValidationError("Name one to eight models.") }
    guard 1...10 ~= columns else { throw ValidationError("Choose 1 to 10 columns.") }
  }

  static func main() { ToolProgram.run(Self.self) }

  func run() throws {
    try ToolSession.run { session in
      let target = try OutputFile(output, .picture, reading: InputFiles(models))
      let cases = only?.cases ?? Evaluation.cases
      var variants: [DemoVariant] = []
      for (index, model) in models.enumerated() {
        variants.append(
          try DemoVariant(
            path: model, precision: index == 0 ? .f32 : .auto, prompts: cases.map(\.prompt),
            threads: threads, session))
      }
      session.progress.begin("check", total: cases.count)
      var verdicts: [[SceneChecker.Verdict]] = []
      for (index, example) in cases.enumerated() {
        try session.cancellation.check()
        let checker = SceneChecker(example.scene, side: DemoVariant.side)
        verdicts.append(variants.map { checker.check($0.pictures[index]) })
        session.progress.update(index + 1)
      }
      session.progress.end()
      let sheet = sheet(cases, variants, verdicts).draw()
      let texts = [(keyword: "Software", text: "sana-demo \(Toolchain.version)")]
      guard !target.isStandardOutput else {
        try PNGFile.write(sheet, texts: texts) {
          try OutputStream.standardOutput.write(bytes: $0)
        }
        try OutputStream.standardError.write(table(variants, verdicts))
        return
      }
      try PNGFile.write(sheet, to: output, texts: texts)
      try OutputStream.standardOutput.write(
        table(variants, verdicts) + "\nwrote \(output.printablePath)\n")
    }
  }

  private func sheet(
    _ cases: [Evaluation.Case], _ variants: [DemoVariant], _ verdicts: [[SceneChecker.Verdict]]
  ) -> ContactSheet {
    ContactSheet(
      title: "One prompt, \(variants.count) variants of one model",
      subtitle:
        "256x256, 20 steps, guidance 4.5, seed 0, on the CPU.  A red bar: not what the prompt says.",
      variants: variants.map { ($0.name, ByteSize($0.fileBytes).description) },
      entries: cases.indices.map { index in
        ContactSheet.Entry(
          prompt: cases[index].prompt, pictures: variants.map { $0.pictures[index] },
          verdicts: verdicts[index])
      }, columns: min(columns, cases.count))
  }

  private func table(
    _ variants: [DemoVariant], _ verdicts: [[SceneChecker.Verdict]]
  ) -> String {
    var table = TextTable([
      .init("variant"), .init("file", .right), .init("planned memory", .right),
      .init("process memory", .right), .init("time", .right), .init("mean PSNR", .right),
      .init("worst PSNR", .right), .init("right", .right),
    ])
    for (index, variant) in variants.enumerated() {
      let differences = zip(variant.pictures, variants[0].pictures).map(peakSignalToNoise)
      // Equal pictures have no finite ratio.
      let mean = differences.reduce(0, +) / Double(differences.count)
      let worst = differences.min() ?? .infinity
      let right = verdicts.count { $0[index].isRight }
      table.append([
        variant.name, ByteSize(variant.fileBytes).description,
        ByteSize(variant.plannedBytes).description,
        variant.processBytes.map { ByteSize($0).description } ?? "unknown",
        variant.time.readable, decibels(mean), decibels(worst), "\(right) of \(verdicts.count)",
      ])
    }
    return table.text
  }

  private func decibels(_ ratio: Double) -> String {
    ratio.isFinite ? "\(ratio.formatted(decimals: 1)) dB" : "equal"
  }
}

/// A choice among the demo's prompts: `1,4,20`.
struct PromptNumbers: ExpressibleByArgument {
  let cases: [Evaluation.Case]

  init?(argument: String) {
    let numbers = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    let cases = numbers.compactMap { number in
      number.flatMap { Evaluation.cases.indices.contains($0 - 1) ? Evaluation.cases[$0 - 1] : nil }
    }
    guard cases.count == numbers.count else { return nil }
    self.cases = cases
  }
}
