internal import Foundation
internal import Support

extension VerificationReport {
  /// The report for reading: one line a value, the worst first, then the pictures and the verdict.
  ///
  /// - Parameter limit: values to list; values out of bounds are always listed.
  public func table(limit: Int = .max) -> String {
    let listed = worstFirst.enumerated().filter { $0.offset < limit || !bounds.accepts($0.element) }
    let width = listed.map(\.element.name.abbreviated.count).max() ?? 0
    var lines = ["   SNR dB  max error   1 - cosine  value"]
    lines += listed.map { _, value in
      let numbers = String(
        format: "%9.1f  %9.2e  %11.2e", value.signalToNoiseDecibels,
        value.comparison.maximumAbsoluteError, max(0, 1 - value.comparison.cosine))
      let verdict =
        bounds.accepts(value)
        ? "" : String(format: "  below %.0f dB", bounds.minimum(for: value.kind))
      let name =
        verdict.isEmpty
        ? value.name.abbreviated
        : value.name.abbreviated.padding(toLength: width, withPad: " ", startingAt: 0)
      return "\(numbers)  \(name)\(verdict)"
    }
    if listed.count < values.count {
      lines.append("… and \(values.count - listed.count) better ones")
    }
    lines += pictures.map { picture in
      let numbers = String(
        format: "largest difference %ld/255, PSNR %.1f dB, %.3f %% off by more than 1",
        picture.maximumError, picture.peakSignalToNoiseDecibels, 100 * picture.visibleShare)
      return
        "\(picture.name.abbreviated): \(numbers)\(bounds.accepts(picture) ? "" : "  out of bounds")"
    }
    lines += rulers.map { ruler in
      String(
        format: "%@: %.1f dB, PyTorch's own distance in bfloat16", ruler.name.abbreviated,
        ruler.signalToNoiseDecibels)
    }
    lines += omissions.map { "not compared: \($0.printable(limit: 240))" }
    lines.append(verdict)
    return lines.joined(separator: "\n")
  }

  var verdict: String {
    if passed, bounds == .report {
      return "reported: \(values.count) values, \(pictures.count) pictures, without bounds"
    }
    if passed { return "passed: \(values.count) values, \(pictures.count) pictures" }
    if values.isEmpty { return "failed: nothing could be compared" }
    let failedValues = values.count { !bounds.accepts($0) }
    let failedPictures = pictures.count { !bounds.accepts($0) }
    return "failed: out of bounds are \(failedValues) of \(values.count) values and "
      + "\(failedPictures) of \(pictures.count) pictures"
      + (isOfAnotherModel
        ? "; values below 3 dB have nothing to do with the trace's, which is of another model" : "")
  }
}
