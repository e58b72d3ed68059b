internal import Foundation

/// Values of a network in the order in which it makes them, a bar each.
struct ValueChart {
  struct Bar {
    let name: String
    let decibels: Double
  }

  let bars: [Bar]
  /// Levels to measure by, with their names.
  let rulers: [(name: String, decibels: Double)]

  var html: String {
    guard bars.contains(where: \.decibels.isFinite) else {
      return "<p>Every value is equal, bit for bit.</p>"
    }
    var drawing = SVGDrawing(width: 1060, height: 250)
    let (left, right, top, bottom) = (62.0, 1000.0, 14.0, 226.0)
    let axis = ErrorAxis(
      bars.map(\.decibels) + rulers.map(\.decibels), top: top, bottom: bottom, floor: 140)
    axis.draw(&drawing, from: left, to: right)
    let pitch = (right - left) / Double(bars.count)
    for (index, bar) in bars.enumerated() where bar.decibels.isFinite {
      let y = axis.y(bar.decibels)
      drawing.rectangle(
        left + Double(index) * pitch + 0.5, y, max(min(pitch - 1, 26), 0.8), bottom - y, "bar",
        title: "\(bar.name): \(OperationChart.decibels(bar.decibels))")
    }
    for ruler in rulers where ruler.decibels.isFinite {
      let y = axis.y(ruler.decibels)
      drawing.line(left, y, right, y, "ruler")
      drawing.text(ruler.name, left + 8, y - 5, .start, "ruled")
    }
    return drawing.text(label: "Error of every value")
      + "<p class=\"caption\">In the order in which they are made, from \(HTML.escape(bars[0].name)) to \(HTML.escape(bars[bars.count - 1].name)).</p>"
  }
}
