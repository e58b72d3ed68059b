internal import Foundation
internal import Support
internal import Traces

extension VerificationReport {
  /// A file that took part, for the page.
  public struct File: Hashable, Sendable {
    /// `model`, `trace`.
    public let role: String
    public let path: String
    /// SHA-256 in hexadecimal digits.
    public let digest: String

    public init(role: String, path: String, digest: String) {
      self.role = role
      self.path = path
      self.digest = digest
    }
  }

  /// The report as a page that is complete in one file, for light and dark screens.
  /// - Parameters:
  ///   - files: what was compared.
  ///   - tool: what made it, with its version.
  public func page(_ files: [File], tool: String) -> String {
    let title = "\(files.first.map { FileSystem.name(of: $0.path) } ?? "A model") beside PyTorch"
    return HTML.page(
      title: title,
      body: """
        <header>
        <h1>\(HTML.escape(title))</h1>
        <span class="verdict \(passed ? bounds == .report ? "plain" : "good" : "bad")">\(HTML.escape(verdict))</span>
        </header>
        \(cases.map { caseSection($0) }.joined())
        \(HTML.section("Values, the worst first", note: "The 60 worst of \(values.count); all are in the files beside this page.", valueTable))
        \(HTML.section("Pictures and what was left out", otherTable))
        \(HTML.section("The files", fileTable(files)))
        <footer>\(HTML.escape("Made by \(tool). Decibels are signal to noise, 10 log10(sum r² / sum (r - x)²), against PyTorch's recorded values."))</footer>
        """)
  }

  /// Every value on a line: `kind,name,snr_db,max_abs_error,cosine`; no ratio where both are equal.
  public var csv: String {
    var table = CSVTable(["kind", "name", "snr_db", "max_abs_error", "cosine"])
    for value in values {
      let ratio = value.comparison.signalToNoiseDecibels
      table.append([
        "\(value.kind)", value.name, ratio == .infinity ? "" : "\(ratio)",
        "\(value.comparison.maximumAbsoluteError)", "\(value.comparison.cosine)",
      ])
    }
    for ruler in rulers {
      table.append([
        "ruler", ruler.name, "\(ruler.signalToNoiseDecibels)",
        "\(ruler.comparison.maximumAbsoluteError)", "\(ruler.comparison.cosine)",
      ])
    }
    return table.text
  }

  /// Paths of the cases, in order.
  private var cases: [String] {
    var seen: Set<String> = []
    return values.map { Self.caseName($0.name) }.filter { seen.insert($0).inserted }
  }

  private static func caseName(_ name: String) -> String {
    String(name.prefix { $0 != "/" && $0 != " " })
  }

  /// Without the case.
  private static func shortName(_ name: String) -> String {
    String(name.drop { $0 != "/" }.dropFirst())
  }

  private func caseSection(_ name: String) -> String {
    let own = values.filter { Self.caseName($0.name) == name }
    let passes = own.filter { $0.kind == .forwardPass }
    let floor = rulers.filter { Self.caseName($0.name) == name }.map {
      (name: "PyTorch's own bfloat16, first prediction", decibels: $0.signalToNoiseDecibels)
    }
    let chart = ValueChart(
      bars: passes.map {
        .init(name: Self.shortName($0.name), decibels: $0.comparison.signalToNoiseDecibels)
      }, rulers: floor
    ).html
    var runs: [(name: String, decibels: [Double])] = []
    for value in own where value.kind == .accumulated && value.name.contains("/latents[") {
      let run = String(Self.shortName(value.name).prefix { $0 != "/" })
      let ratio = value.comparison.signalToNoiseDecibels
      if runs.last?.name == run {
        runs[runs.count - 1].decibels.append(ratio)
      } else {
        runs.append((run, [ratio]))
      }
    }
    let steps = runs.map { run in
      "<h3>Latents after every step of \(HTML.escape(run.name.abbreviated))</h3>\n"
        + StepChart(lines: [.init(name: run.name, decibels: run.decibels)], rulers: []).html
    }.joined(separator: "\n")
    return HTML.section(
      name.abbreviated,
      note:
        "Every value of one pass through each network, on the trace's own inputs: higher is worse. At the right the error's share of the signal.",
      chart + steps)
  }

  private var valueTable: String {
    HTML.table(
      ["value", "SNR", "largest error", "1 - cosine", ""],
      worstFirst.prefix(60).map { value in
        [
          HTML.escape(value.name.abbreviated),
          OperationChart.decibels(value.comparison.signalToNoiseDecibels),
          String(format: "%.2e", value.comparison.maximumAbsoluteError),
          String(format: "%.1e", max(0, 1 - value.comparison.cosine)),
          bounds.accepts(value)
            ? ""
            : String(
              format: "<span class=\"bad\">below %.0f dB</span>", bounds.minimum(for: value.kind)),
        ]
      })
  }

  private var otherTable: String {
    HTML.table(
      ["", "PSNR", "largest difference", "off by more than 1"],
      pictures.map { picture in
        [
          HTML.escape(picture.name.abbreviated),
          String(format: "%.1f dB", picture.peakSignalToNoiseDecibels),
          "\(picture.maximumError) of 255",
          String(format: "%.3f %%", 100 * picture.visibleShare),
        ]
      } + omissions.map { ["not compared: \(HTML.escape($0.printable(limit: 240)))", "", "", ""] })
  }

  private func fileTable(_ files: [File]) -> String {
    HTML.table(
      ["", "file", "SHA-256"],
      files.map {
        [
          HTML.escape($0.role), HTML.escape($0.path.printablePath),
          "<code>\(HTML.escape($0.digest))</code>",
        ]
      }, texts: [1, 2])
  }
}
