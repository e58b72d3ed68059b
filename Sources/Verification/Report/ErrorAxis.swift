internal import Foundation

/// The vertical axis of errors: higher is worse, in shares of the signal on a logarithmic scale,
/// with decibels beside them.
struct ErrorAxis {
  /// Errors below are those of float32 itself, whose size means nothing.
  static let roundingDecibels = 90.0

  /// Decibels at the bottom and at the top of the axis, multiples of ten.
  private let best: Double
  private let worst: Double
  private let top: Double
  private let bottom: Double

  /// - Parameters:
  ///   - decibels: all that is drawn.
  ///   - floor: what is further below is drawn there.
  init(
    _ decibels: [Double], top: Double, bottom: Double,
    floor: Double = ErrorAxis.roundingDecibels
  ) {
    let finite = decibels.filter(\.isFinite).map { min($0, floor) }
    let worst = ((finite.min() ?? 0) / 10).rounded(.down) * 10
    self.worst = min(max(worst, -20), floor - 20)
    best = max(((finite.max() ?? 60) / 10).rounded(.up) * 10, self.worst + 20)
    self.top = top
    self.bottom = bottom
  }

  func y(_ decibels: Double) -> Double {
    let share = (decibels - worst) / (best - worst)
    return top + min(max(share, 0), 1) * (bottom - top)
  }

  /// Lines and labels, decibels at the left, shares at the right.
  func draw(_ drawing: inout SVGDrawing, from left: Double, to right: Double) {
    let step = best - worst > 70 ? 20.0 : 10
    for decibels in stride(from: worst, through: best, by: step) {
      let y = y(decibels)
      drawing.line(left, y, right, y, "grid")
      drawing.text("\(Int(decibels)) dB", left - 6, y + 4, .end)
      drawing.text(Self.share(decibels), right + 6, y + 4, .start)
    }
  }

  /// The root mean square of the error in that of the signal: `1 %`.
  static func share(_ decibels: Double) -> String {
    let percent = 100 * pow(10, -decibels / 20)
    return percent < 0.001
      ? String(format: "%.0e %%", percent)
      : String(format: percent < 0.1 ? "%.3f %%" : percent < 10 ? "%.1f %%" : "%.0f %%", percent)
  }
}
