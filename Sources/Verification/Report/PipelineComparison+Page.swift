internal import Foundation
internal import SanaEngine
internal import Support
internal import Traces
internal import WeightFormats

extension PipelineComparison {
  /// The comparison as a page that is complete in one file, for light and dark screens.
  /// - Parameter tool: what made it, with its version.
  /// - Throws: what compressing the pictures throws.
  public func page(tool: String) throws -> String {
    let title = "\(FileSystem.name(of: tested.path)) beside \(FileSystem.name(of: reference.path))"
    return HTML.page(
      title: title,
      body: """
        <header>
        <h1>\(HTML.escape(title))</h1>
        \(headline)
        </header>
        \(tiles)
        \(HTML.section("From the prompt to the picture", note: stageNote, stageTable))
        \(HTML.section("Every picture", note: "PSNR in decibels, a dot a picture; further right is closer. The band is the 95 % interval of the mean.", pictureStrip))
        \(HTML.section("Error over the steps", note: "Latents after every step, each model on its own way: higher is worse. At the right the error's share of the signal.", stepChart))
        \(operationSections)
        \(offenderSection)
        \(HTML.section("The two models", modelTable))
        \(HTML.section("Pictures, the worst first", try pictures()))
        <footer>\(HTML.escape(footer(tool)))</footer>
        """)
  }

  private func footer(_ tool: String) -> String {
    "Made by \(tool). Decibels are signal to noise, 10 log10(sum r² / sum (r - x)²); PSNR is over all bytes of a picture, SSIM of its luma in 11x11 Gaussian windows, FLIP the mean of LDR-FLIP at \(Int(FLIP.standardPixelsPerDegree)) pixels per degree. Intervals are 95 %, by Student's t."
  }

  // MARK: Verdict

  private var headline: String {
    guard !gates.isEmpty else {
      return "<span class=\"verdict plain\">compared, without bounds</span>"
    }
    return gates.map { gate in
      let worst = OperationChart.decibels(gate.worstDecibels)
      let bound = String(format: "%.1f dB", gate.minimumDecibels)
      return
        "<span class=\"verdict \(gate.passed ? "good" : "bad")\">\(gate.passed ? "passed" : "failed"): \(gate.measure.rawValue) \(worst) at worst, at least \(bound) asked for</span>"
    }.joined()
  }

  private var tiles: String {
    func tile(_ value: String, _ what: String) -> String {
      "<div class=\"tile\"><b>\(value)</b><span>\(HTML.escape(what))</span></div>"
    }
    func decibels(_ value: Double?) -> String {
      value.map { String(format: "%.1f dB", $0) } ?? "equal"
    }
    let peak = spread(\.peakSignalToNoiseDecibels)
    let share = Double(tested.byteCount) / Double(max(reference.byteCount, 1))
    return """
      <div class="tiles">
      \(tile(decibels(firstPredictionSpread.mean), "first noise prediction, mean"))
      \(tile(decibels(peak.mean), "pictures, mean PSNR"))
      \(tile(decibels(peak.worst), "the worst picture"))
      \(tile(spread(\.flip).mean.map { String(format: "%.4f", $0) } ?? "0", "mean FLIP, 0 is equal"))
      \(tile(String(format: "%.2f x", share), "the reference's size"))
      </div>
      """
  }

  // MARK: Stages

  private var stageNote: String {
    "\(prompts.count) prompt\(prompts.count == 1 ? "" : "s"), \(samples.count) picture\(samples.count == 1 ? "" : "s") of \(settings.width) x \(settings.height), \(settings.steps) steps of \(settings.samplerKind.rawValue), guidance \(settings.guidanceScale), the same noise for both. Another seed is the reference beside itself: pictures that share the prompt alone."
  }

  private var stageTable: String {
    HTML.table(
      ["stage", "compared", "mean", "95 % interval", "worst"],
      stages.map { stage in
        func number(_ value: Double) -> String {
          stage.unit.isEmpty
            ? String(format: "%.4f", value) : String(format: "%.1f %@", value, stage.unit)
        }
        let spread = stage.spread
        return [
          HTML.escape(stage.name),
          "\(spread.count)\(spread.equalCount > 0 ? " (\(spread.equalCount) equal)" : "")",
          spread.mean.map(number) ?? "equal",
          spread.interval.map { "\(number($0.lowerBound)) … \(number($0.upperBound))" } ?? "",
          spread.worst.map(number) ?? "",
        ]
      })
  }

  private var pictureStrip: String {
    let ruler = Spread(seedRulers.map(\.picture.peakSignalToNoiseDecibels)).mean
    return StripChart(
      unit: "dB",
      dots: samples.map { .init(name: name($0), value: $0.picture.peakSignalToNoiseDecibels) },
      spread: spread(\.peakSignalToNoiseDecibels),
      rulers: ruler.map { [("another seed", $0)] } ?? []
    ).html
  }

  private var stepChart: String {
    let ruler = Spread(seedRulers.map(\.finalLatents.signalToNoiseDecibels)).mean
    return StepChart(
      lines: samples.map { .init(name: name($0), decibels: $0.steps.map(\.signalToNoiseDecibels)) },
      rulers: ruler.map { [("another seed's final latents", $0)] } ?? []
    ).html
  }

  private func name(_ sample: Sample) -> String {
    let several = samples.contains { $0.prompt == sample.prompt && $0.seed != sample.seed }
    return prompts[sample.prompt].abbreviated + (several ? ", seed \(sample.seed)" : "")
  }

  // MARK: Operations

  private var operationSections: String {
    guard !operations.isEmpty else { return "" }
    let names: [(ComponentKind, String)] = [
      (.transformer, "Transformer"), (.textEncoder, "Text encoder"), (.autoencoder, "Decoder"),
    ]
    let charts = names.map { kind, name in
      let own = operations.filter { $0.component == kind }
      let numbers = offenders.filter { $0.operation.component == kind }.enumerated()
        .map { ($0.element.operation.weight, $0.offset + 1) }
      let first = firstDivergences.first { $0.component == kind }
      let divergence =
        first.map {
          "First divergence: \($0.weight) (\(OperationChart.decibels($0.inherited.signalToNoiseDecibels)))."
        } ?? "No operation differs by more than rounding."
      return """
        <h3>\(name)</h3>
        <p class="caption">\(HTML.escape(divergence))</p>
        \(OperationChart(operations: own, marks: Dictionary(uniqueKeysWithValues: numbers)).html)
        """
    }.joined(separator: "\n")
    let key =
      "<div class=\"key\"><span><i style=\"background:var(--own)\"></i>own error: the reference's operands</span><span><i style=\"background:var(--inherited)\"></i>in the running network: own and inherited</span><span>numbers: rows of the next table</span></div>"
    return HTML.section(
      "Operations along the depth",
      note: "Every operation that has a weight: higher is worse. Run on "
        + operationNotes.joined(separator: "; ") + ".",
      key + charts)
  }

  private var offenderSection: String {
    guard !offenders.isEmpty else { return "" }
    var numbers: [ComponentKind: Int] = [:]
    let rows = offenders.map { offender in
      let operation = offender.operation
      numbers[operation.component, default: 0] += 1
      let quantile = String(format: "%.2f %%", 100 * operation.own.relativeQuantile(0.999))
      return [
        "\(numbers[operation.component] ?? 0)",
        "<code>--rule &#39;\(HTML.escape(operation.rule))&#39;</code>",
        OperationChart.decibels(operation.own.signalToNoiseDecibels),
        quantile,
        OperationChart.decibels(operation.inherited.signalToNoiseDecibels),
        offender.gainDecibels.map { String(format: "%+.2f dB", $0) } ?? "not alone",
        Self.bytes(operation.protectionBytes),
        Self.time(offender.addedTime.seconds),
      ]
    }
    return HTML.section(
      "What 16 bits would bring",
      note:
        "The operations with the largest own errors, each tried with the reference's weight: how much closer the output of its network comes, what the file grows by, and how much longer one evaluation takes as measured here. Rules are for sana-quant quantize.",
      HTML.table(
        [
          "", "rule", "own error", "999 of 1000 below", "in the network", "closer by", "bytes",
          "time",
        ], rows, texts: [1]))
  }

  private static func bytes(_ count: Int) -> String {
    count <= 0
      ? "none"
      : count < 1 << 20
        ? String(format: "+%.0f KiB", Double(count) / 1024)
        : String(format: "+%.1f MiB", Double(count) / 1_048_576)
  }

  private static func time(_ seconds: Double) -> String {
    seconds <= 0
      ? "none"
      : seconds < 0.01
        ? String(format: "+%.0f µs", seconds * 1e6) : String(format: "+%.1f ms", seconds * 1e3)
  }

  private var modelTable: String {
    HTML.table(
      ["", "file", "size", "made as", "computed in", "SHA-256"],
      [("reference", reference), ("variant", tested)].map { role, model in
        [
          role, HTML.escape(model.path.printablePath),
          String(format: "%.1f MiB", Double(model.byteCount) / 1_048_576),
          HTML.escape(model.recipe?.abbreviated ?? ""), model.precision,
          "<code>\(model.digest)</code>",
        ]
      }, texts: [1, 3, 4, 5])
  }

  // MARK: Pictures

  private func pictures() throws -> String {
    let sorted = samples.sorted {
      $0.picture.peakSignalToNoiseDecibels < $1.picture.peakSignalToNoiseDecibels
    }
    let factor = PictureData.factor(
      forPeakRatio: sorted.first?.picture.peakSignalToNoiseDecibels ?? .infinity)
    return try sorted.map { sample in
      let difference = PictureData.difference(
        sample.referenceImage, sample.testedImage, factor: factor)
      func figure(_ image: RGBImage, _ caption: String) throws -> String {
        "<figure><img src=\"\(try PictureData.address(image))\" alt=\"\(HTML.escape(caption))\" loading=\"lazy\"><figcaption>\(HTML.escape(caption))</figcaption></figure>"
      }
      let measures =
        "PSNR \(OperationChart.decibels(sample.picture.peakSignalToNoiseDecibels)), SSIM \(String(format: "%.4f", sample.picture.structuralSimilarity)), FLIP \(String(format: "%.4f", sample.picture.flip)); decoder alone \(OperationChart.decibels(sample.decoderPicture.peakSignalToNoiseDecibels))"
      return """
        <div class="picture">
        <p>\(HTML.escape(name(sample)))<br><span class="note">\(HTML.escape(measures))</span></p>
        <div class="trio">
        \(try figure(sample.referenceImage, "reference"))
        \(try figure(sample.testedImage, "variant"))
        \(try figure(difference, "difference, \(factor) times as strong"))
        </div>
        </div>
        """
    }.joined(separator: "\n")
  }
}
