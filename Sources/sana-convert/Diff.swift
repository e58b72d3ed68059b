import ArgumentParser
import CommandLineSupport
import Support
import WeightFormats

struct Diff: ParsableCommand {
  /// 1 says that the models differ.
  static let failureStatus: Int32 = 2

  static let configuration = CommandConfiguration(
    abstract: "Compares two models tensor by tensor, whatever their encodings.",
    usage: "sana-convert diff <first> <second> [<options>]",
    discussion: """
      Either may be a .sana file or an official checkpoint, which is seen as the tensors that a conversion makes of it: so this \
      proves that a conversion lost nothing. Numbers are compared as the f32 that they stand for, bit for bit; SNR is that of \
      the second model's numbers, with the first's as the original. Tensors of two files with equal checksums are not read \
      (sana-convert check does that).

      Models are the same if they have the same tensors in the same encodings with the same numbers, and a pipeline index, a \
      scheduler, configurations and tokenizer files that mean the same. Where they come from (tool, source files, recipe, \
      licences) and defaults that only one spells out are listed, but do not count.

      Exit status: 0 the same, 1 they differ, 2 they could not be compared, 64 wrong usage.
      """)

  @Argument(help: ArgumentHelp("A .sana file, or an official checkpoint's folder or file."))
  var first: String

  @Argument(help: ArgumentHelp("Another."))
  var second: String

  @Option(
    help: ArgumentHelp(
      "Compare these only, not the pipeline as a whole: text-encoder, transformer, autoencoder.",
      valueName: "a,b,..."))
  var components: ComponentSelection?

  @Option(
    help: ArgumentHelp(
      "Take the weights of a variant of an official checkpoint.", valueName: "fp16|bf16"))
  var variant: String?

  @Flag(help: "List every tensor, also those that are the same.")
  var all = false

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    try ToolSession.run(failureStatus: Self.failureStatus) { session in
      let models = try [first, second].map {
        try ComparedModel(path: $0, variant: variant, components: components?.kinds)
      }
      for model in models {
        for notice in model.notices {
          session.progress.note("\(model.path.printable(limit: 80, cut: .middle)): \(notice)")
        }
      }
      session.progress.begin("compare", total: 1000)
      let comparison = try ModelComparison(
        models[0], models[1], cancellation: session.cancellation
      ) { done, total in
        session.progress.update(Int(1000 * Double(done) / Double(max(total, 1))))
      }
      session.progress.end()
      let report = ComparisonReport(comparison, models[0], models[1], listsAll: all)
      if json {
        try JSONOutput.print(report.json)
      } else {
        try OutputStream.standardOutput.write(report.text)
      }
      guard comparison.isSame else { throw ExitCode(1) }
    }
  }
}
