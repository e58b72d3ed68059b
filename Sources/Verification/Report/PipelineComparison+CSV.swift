internal import SanaEngine
internal import Traces
internal import WeightFormats

extension PipelineComparison {
  /// Every number on a line of its own: `section,name,prompt,seed,step,measure,value`, fields as in
  /// RFC 4180; the value is empty where what was compared is equal and has no finite ratio.
  public var csv: String {
    var table = CSVTable(["section", "name", "prompt", "seed", "step", "measure", "value"])
    for (prompt, comparison) in captions.enumerated() {
      table.append(["captions", "", "\(prompt)", "", ""], comparison)
    }
    for sample in samples { append(sample, to: &table) }
    for ruler in seedRulers {
      let place = ["", "\(ruler.prompt)", "", ""]
      table.append(["other_seed_final_latents"] + place, ruler.finalLatents)
      table.append(["other_seed_picture"] + place, ruler.picture)
    }
    for operation in operations {
      let name = "\(operation.component.rawValue)/\(operation.weight)"
      for (section, errors) in [("own", operation.own), ("inherited", operation.inherited)] {
        let place = ["operation_\(section)", name, "", "", ""]
        table.append(place, errors.comparison)
        for (measure, share) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
          table.append(place, measure, errors.relativeQuantile(share))
        }
      }
    }
    return table.text
  }

  private func append(_ sample: Sample, to table: inout CSVTable) {
    func place(_ section: String, step: String = "") -> [String] {
      [section, "", "\(sample.prompt)", "\(sample.seed)", step]
    }
    table.append(place("first_prediction"), sample.firstPrediction)
    for (index, step) in sample.steps.enumerated() {
      table.append(place("latents", step: "\(index + 1)"), step)
    }
    table.append(place("final_latents"), sample.finalLatents)
    table.append(place("decoder_picture"), sample.decoderPicture)
    table.append(place("picture"), sample.picture)
  }
}

/// Rows of comma-separated values.
struct CSVTable {
  private(set) var text: String

  init(_ titles: [String]) { text = Self.line(titles) }

  mutating func append(_ cells: [String]) { text += Self.line(cells) }

  mutating func append(_ place: [String], _ measure: String, _ value: Double) {
    append(place + [measure, value == .infinity ? "" : "\(value)"])
  }

  mutating func append(_ place: [String], _ comparison: Comparison) {
    append(place, "snr_db", comparison.signalToNoiseDecibels)
    append(place, "cosine", comparison.cosine)
    append(place, "max_abs_error", comparison.maximumAbsoluteError)
  }

  mutating func append(_ place: [String], _ distance: PictureDistance) {
    append(place, "psnr_db", distance.peakSignalToNoiseDecibels)
    append(place, "ssim", distance.structuralSimilarity)
    append(place, "flip", distance.flip)
  }

  private static func line(_ cells: [String]) -> String {
    cells.map { cell in
      cell.contains { ",\"\r\n".contains($0) }
        ? "\"" + cell.replacing("\"", with: "\"\"") + "\"" : cell
    }.joined(separator: ",") + "\r\n"
  }
}
