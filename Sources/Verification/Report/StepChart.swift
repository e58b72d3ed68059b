internal import Foundation

/// Errors after every step, a line for each picture or run.
struct StepChart {
  struct Line {
    let name: String
    /// Decibels after each step; infinite where all is equal.
    let decibels: [Double]
  }

  let lines: [Line]
  /// Levels to measure by, with their names.
  let rulers: [(name: String, decibels: Double)]

  var html: String {
    let finite = lines.flatMap(\.decibels).filter(\.isFinite)
    guard !finite.isEmpty else { return "<p>Every step is equal, bit for bit.</p>" }
    var drawing = SVGDrawing(width: 1060, height: 330)
    let (left, right, top, bottom) = (62.0, 1000.0, 14.0, 290.0)
    let axis = ErrorAxis(
      finite + rulers.map(\.decibels), top: top, bottom: bottom)
    axis.draw(&drawing, from: left, to: right)
    let steps = lines.map(\.decibels.count).max() ?? 1
    func x(_ step: Int) -> Double {
      left + (right - left) * (steps > 1 ? Double(step) / Double(steps - 1) : 0.5)
    }
    for step in 0..<steps where steps <= 25 || step % 5 == 4 || step == 0 {
      drawing.text("\(step + 1)", x(step), bottom + 17, .middle)
    }
    drawing.text("after step", (left + right) / 2, bottom + 34, .middle)
    let worst = lines.indices.min {
      (lines[$0].decibels.last ?? .infinity) < (lines[$1].decibels.last ?? .infinity)
    }
    for (index, line) in lines.enumerated() {
      let points = line.decibels.enumerated().filter(\.element.isFinite)
        .map { (x: x($0.offset), y: axis.y($0.element)) }
      drawing.path(
        points, index == worst && lines.count > 1 ? "worst" : lines.count > 1 ? "thin" : "bold",
        title: line.name)
    }
    if lines.count > 1 {
      let means = (0..<steps).map { step -> Double? in
        let values = lines.compactMap { $0.decibels.count > step ? $0.decibels[step] : nil }
          .filter(\.isFinite)
        return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
      }
      drawing.path(
        means.enumerated().compactMap { step, mean in mean.map { (x: x(step), y: axis.y($0)) } },
        "bold", title: "mean")
    }
    for ruler in rulers where ruler.decibels.isFinite {
      let y = axis.y(ruler.decibels)
      drawing.line(left, y, right, y, "ruler")
      drawing.text(ruler.name, left + 8, y - 5, .start, "ruled")
    }
    let key =
      lines.count > 1
      ? "<div class=\"key\"><span><i style=\"background:var(--inherited)\"></i>mean</span><span><i style=\"background:var(--thin);opacity:.4\"></i>each picture</span><span><i style=\"background:var(--own)\"></i>the worst: \(HTML.escape(worst.map { lines[$0].name } ?? ""))</span></div>"
      : ""
    return key + drawing.text(label: "Error after every step")
  }
}
