internal import Foundation

/// The operations of a network along its depth: bars for the error that each adds itself, a line
/// for the one that it passes on in the running network.
struct OperationChart {
  let operations: [OperationError]
  /// Weights that have a number, by their name.
  let marks: [String: Int]

  var html: String {
    guard !operations.isEmpty else { return "" }
    let own = operations.map(\.own.signalToNoiseDecibels)
    let inherited = operations.map(\.inherited.signalToNoiseDecibels)
    guard (own + inherited).contains(where: \.isFinite) else {
      return "<p>Every operation makes the same numbers, bit for bit.</p>"
    }
    var drawing = SVGDrawing(width: 1060, height: 290)
    let (left, right, top, bottom) = (62.0, 1000.0, 20.0, 246.0)
    let axis = ErrorAxis(own + inherited, top: top, bottom: bottom)
    axis.draw(&drawing, from: left, to: right)
    let pitch = (right - left) / Double(operations.count)
    drawGroups(&drawing, left: left, pitch: pitch, top: top, bottom: bottom)

    let points = inherited.enumerated().filter(\.element.isFinite)
      .map { (x: left + (Double($0.offset) + 0.5) * pitch, y: axis.y($0.element)) }
    if let first = points.first, let last = points.last {
      drawing.area([(first.x, bottom)] + points + [(last.x, bottom)], "area")
    }
    let gap = pitch > 5 ? 1.5 : 0.5
    for (index, operation) in operations.enumerated() where own[index].isFinite {
      let x = left + Double(index) * pitch
      let y = axis.y(own[index])
      drawing.rectangle(
        x + gap / 2, y, max(min(pitch - gap, 26), 0.8), bottom - y, "own",
        title: Self.title(operation))
      if let mark = marks[operation.weight] {
        drawing.text("\(mark)", x + min(pitch, 26) / 2, y - 4, .middle, "mark")
      }
    }
    drawing.path(points, "inherited")
    for (index, operation) in operations.enumerated()
    where inherited[index].isFinite && pitch > 7 {
      drawing.circle(
        left + (Double(index) + 0.5) * pitch, axis.y(inherited[index]), radius: 2.2, "dot",
        title: Self.title(operation))
    }
    return drawing.text(label: "Own and inherited error of every operation")
  }

  private static func title(_ operation: OperationError) -> String {
    let own = operation.own.signalToNoiseDecibels
    let inherited = operation.inherited.signalToNoiseDecibels
    return
      "\(operation.weight) (\(operation.kind), \(operation.storedAs)): own \(decibels(own)), in the network \(decibels(inherited))"
  }

  static func decibels(_ ratio: Double) -> String {
    ratio == .infinity ? "equal" : ratio.isFinite ? String(format: "%.1f dB", ratio) : "broken"
  }

  /// Ends of blocks, with numbers where there is room.
  private func drawGroups(
    _ drawing: inout SVGDrawing, left: Double, pitch: Double, top: Double, bottom: Double
  ) {
    var start = 0
    var lastLabel = -100.0
    while start < operations.count {
      let group = Self.group(operations[start].weight)
      let end =
        operations[start...].firstIndex { Self.group($0.weight) != group } ?? operations.count
      let x = left + Double(start) * pitch
      drawing.line(x, top, x, bottom, "grid")
      let center = x + Double(end - start) * pitch / 2
      let room = Double(group.count) * 6.2 + 8
      if center - lastLabel > room {
        drawing.text(group, center, bottom + 16, .middle)
        lastLabel = center + room / 2
      }
      start = end
    }
  }

  /// The block that a weight belongs to: `12` of `transformer_blocks.12.ff.conv_point.weight`,
  /// `4.0` of `decoder.up_blocks.4.0.conv`, otherwise the module.
  private static func group(_ weight: String) -> String {
    let parts = weight.split(separator: ".")
    // Those of all blocks are computed one after the other, once for a prompt.
    if weight.hasSuffix("attn2.to_kv.weight") { return "to_kv" }
    guard let first = parts.firstIndex(where: { Int($0) != nil }) else {
      return String(parts.first { $0 != "decoder" } ?? "")
    }
    let numbers = parts[first...].prefix { Int($0) != nil }
    return numbers.joined(separator: ".")
  }
}
