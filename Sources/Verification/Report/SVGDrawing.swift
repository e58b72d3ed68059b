/// A drawing that grows shape by shape; colors come from the page's classes, so that they follow
/// light and dark.
struct SVGDrawing {
  let width: Double
  let height: Double
  private var shapes = ""

  init(width: Double, height: Double) {
    self.width = width
    self.height = height
  }

  /// - Parameter label: what the drawing shows, for those who do not see it.
  func text(label: String) -> String {
    "<svg viewBox=\"0 0 \(Self.number(width)) \(Self.number(height))\" role=\"img\" aria-label=\"\(HTML.escape(label))\">\n\(shapes)</svg>"
  }

  mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String) {
    let (x1, y1, x2, y2) = (Self.number(x1), Self.number(y1), Self.number(x2), Self.number(y2))
    shapes += "<line x1=\"\(x1)\" y1=\"\(y1)\" x2=\"\(x2)\" y2=\"\(y2)\" class=\"\(style)\"/>\n"
  }

  mutating func rectangle(
    _ x: Double, _ y: Double, _ width: Double, _ height: Double, _ style: String,
    title: String? = nil
  ) {
    let (x, y, width, height) = (
      Self.number(x), Self.number(y), Self.number(max(width, 0)), Self.number(max(height, 0))
    )
    shapes +=
      "<rect x=\"\(x)\" y=\"\(y)\" width=\"\(width)\" height=\"\(height)\" class=\"\(style)\">\(Self.title(title))</rect>\n"
  }

  mutating func circle(
    _ x: Double, _ y: Double, radius: Double, _ style: String, title: String? = nil
  ) {
    let (x, y, radius) = (Self.number(x), Self.number(y), Self.number(radius))
    shapes +=
      "<circle cx=\"\(x)\" cy=\"\(y)\" r=\"\(radius)\" class=\"\(style)\">\(Self.title(title))</circle>\n"
  }

  mutating func path(_ points: [(x: Double, y: Double)], _ style: String, title: String? = nil) {
    let list = points.map { "\(Self.number($0.x)),\(Self.number($0.y))" }.joined(separator: " ")
    shapes += "<polyline points=\"\(list)\" class=\"\(style)\">\(Self.title(title))</polyline>\n"
  }

  mutating func area(_ points: [(x: Double, y: Double)], _ style: String) {
    let list = points.map { "\(Self.number($0.x)),\(Self.number($0.y))" }.joined(separator: " ")
    shapes += "<polygon points=\"\(list)\" class=\"\(style)\"/>\n"
  }

  enum Anchor: String {
    case start
    case middle
    case end
  }

  mutating func text(
    _ text: String, _ x: Double, _ y: Double, _ anchor: Anchor = .start, _ style: String = ""
  ) {
    shapes +=
      "<text x=\"\(Self.number(x))\" y=\"\(Self.number(y))\" text-anchor=\"\(anchor.rawValue)\" class=\"\(style)\">\(HTML.escape(text))</text>\n"
  }

  private static func title(_ text: String?) -> String {
    text.map { "<title>\(HTML.escape($0))</title>" } ?? ""
  }

  /// Tenths are enough.
  private static func number(_ value: Double) -> String {
    let tenths = (value * 10).rounded()
    return tenths == (tenths / 10).rounded() * 10 ? "\(Int(tenths / 10))" : "\(tenths / 10)"
  }
}
