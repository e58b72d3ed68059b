internal import Foundation

/// A measure of every picture as dots on a line, with the mean, its interval and rulers.
struct StripChart {
  struct Dot {
    let name: String
    let value: Double
  }

  let unit: String
  let dots: [Dot]
  let spread: Spread
  let rulers: [(name: String, value: Double)]

  var html: String {
    let finite = dots.filter(\.value.isFinite)
    guard !finite.isEmpty else { return "<p>Every picture is equal, bit for bit.</p>" }
    var drawing = SVGDrawing(width: 1060, height: 96)
    let (left, right, middle) = (30.0, 1030.0, 46.0)
    let all = finite.map(\.value) + rulers.map(\.value).filter(\.isFinite)
    let low = ((all.min() ?? 0) / 5).rounded(.down) * 5
    let high = max(((all.max() ?? 0) / 5).rounded(.up) * 5, low + 5)
    func x(_ value: Double) -> Double { left + (right - left) * (value - low) / (high - low) }
    for tick in stride(from: low, through: high, by: high - low > 30 ? 10 : 5) {
      drawing.line(x(tick), 24, x(tick), 68, "grid")
      drawing.text("\(Int(tick)) \(unit)", x(tick), 86, .middle)
    }
    if let interval = spread.interval {
      let (start, end) = (max(interval.lowerBound, low), min(interval.upperBound, high))
      drawing.rectangle(
        x(start), 30, x(end) - x(start), 32, "band", title: "95 % interval of the mean")
    }
    for ruler in rulers where ruler.value.isFinite {
      drawing.line(x(ruler.value), 18, x(ruler.value), 68, "ruler")
      let isRight = x(ruler.value) > (left + right) / 2
      drawing.text(
        ruler.name, x(ruler.value) + (isRight ? -5 : 5), 14, isRight ? .end : .start, "ruled")
    }
    for dot in finite {
      let isWorst = dot.value == spread.worst
      drawing.circle(
        x(dot.value), middle, radius: 5, isWorst ? "dot low" : "dot",
        title: "\(dot.name): \(String(format: "%.1f", dot.value)) \(unit)")
    }
    if let mean = spread.mean {
      drawing.line(x(mean), 26, x(mean), 66, "tick")
      drawing.text(String(format: "mean %.1f", mean), x(mean), 20, .middle, "mark")
    }
    return drawing.text(label: "Every picture's \(unit)")
  }
}
