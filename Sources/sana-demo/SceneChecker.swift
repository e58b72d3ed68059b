package import SanaEngine
internal import SanaGraph

/// Decides whether a picture shows a scene: background right in color and pattern, and every object in its color, at its place,
/// and best matched (intersection over union above 0.7) by its own form among all eight.
///
/// It is the checker of the demo checkpoint's own evaluation. The masks of all forms depend on the scene alone, so one checker
/// serves the pictures of all variants.
package struct SceneChecker {
  package struct Verdict: Hashable {
    package var background = true
    package var color = true
    package var form = true
    package var isRight: Bool { background && color && form }
  }

  private let scene: Scene
  private let side: Int
  private let objects: [ObjectMasks]

  /// - Parameter side: pixels a side of the pictures.
  package init(_ scene: Scene, side: Int) {
    self.scene = scene
    self.side = side
    objects = scene.objects.map { ObjectMasks($0, side: side) }
  }

  /// - Precondition: the picture is square, `side` pixels a side.
  package func check(_ picture: RGBImage) -> Verdict {
    precondition(picture.width == side && picture.height == side)
    let pixels = (0..<side * side).map { index in
      SIMD3<Float>(
        Float(picture.pixels[3 * index]), Float(picture.pixels[3 * index + 1]),
        Float(picture.pixels[3 * index + 2])) / 127.5 - 1
    }
    let background = (0..<side * side).map { index in
      scene.backgroundColor(x: coordinate(index % side), y: coordinate(index / side))
    }
    var verdict = Verdict()
    for masks in objects {
      let object = masks.object
      let rivals = scene.objects.map(\.color).filter { $0 != object.color }.map(\.components)
      let own = object.color.components
      let mask = pixels.indices.map { index in
        let distance = length(pixels[index] - own)
        return distance < 0.7 && distance < length(pixels[index] - background[index])
          && rivals.allSatisfy { distance < length(pixels[index] - $0) }
      }
      let (hasColor, hasForm) = masks.match(mask, side: side)
      verdict.color = verdict.color && hasColor
      verdict.form = verdict.form && hasForm
    }

    var outside = 0
    var wrong = 0
    for index in pixels.indices {
      let (x, y) = (coordinate(index % side), coordinate(index / side))
      guard
        scene.objects.allSatisfy({
          Form.circle.distance(x - $0.x, y - $0.y, $0.radius * 1.4) >= 0
        })
      else { continue }
      outside += 1
      if length(pixels[index] - background[index]) >= 0.5 { wrong += 1 }
    }
    verdict.background = Double(outside - wrong) > 0.85 * Double(outside)
    return verdict
  }

  private func coordinate(_ pixel: Int) -> Float { (Float(pixel) + 0.5) / Float(side) }
}

private func length(_ vector: SIMD3<Float>) -> Float { (vector * vector).sum().squareRoot() }

/// Where the pixels of an object may be: for every form, at its place and size and a little beside them.
private struct ObjectMasks {
  let object: Scene.Object
  private let columns: Range<Int>
  private let rows: Range<Int>
  private let candidates: [(form: Form, mask: Mask)]
  /// The object itself, exactly at its place and size.
  private let expected: Mask

  /// Pixels of the window, row by row.
  private struct Mask {
    let pixels: [Bool]
    let count: Int

    init(_ pixels: [Bool]) {
      self.pixels = pixels
      count = pixels.reduce(0) { $0 + ($1 ? 1 : 0) }
    }

    func overlap(_ other: Mask) -> Int {
      var count = 0
      for index in pixels.indices where pixels[index] && other.pixels[index] { count += 1 }
      return count
    }

    func intersectionOverUnion(_ other: Mask) -> Double {
      let common = overlap(other)
      return Double(common) / Double(max(count + other.count - common, 1))
    }
  }

  private static let offsets: [Float] = [-0.03, -0.015, 0, 0.015, 0.03]
  private static let scales: [Float] = [0.9, 1, 1.1]

  init(_ object: Scene.Object, side: Int) {
    self.object = object
    // No form reaches out of this window, wherever and however large it is tried.
    let reach = 1.4 * object.radius
    func range(_ centre: Float) -> Range<Int> {
      let inside = (0..<side).filter { abs((Float($0) + 0.5) / Float(side) - centre) < reach }
      return (inside.first ?? 0)..<(inside.last ?? -1) + 1
    }
    let (columns, rows) = (range(object.x), range(object.y))
    func mask(_ form: Form, _ dx: Float, _ dy: Float, _ scale: Float) -> Mask {
      Mask(
        rows.flatMap { row in
          let y = (Float(row) + 0.5) / Float(side) - (object.y + dy)
          return columns.map { column in
            let x = (Float(column) + 0.5) / Float(side) - (object.x + dx)
            return form.distance(x, y, object.radius * scale) < 0
          }
        })
    }
    candidates = Form.allCases.flatMap { form in
      Self.offsets.flatMap { dx in
        Self.offsets.flatMap { dy in
          Self.scales.map { (form, mask(form, dx, dy, $0)) }
        }
      }
    }
    expected = mask(object.form, 0, 0, 1)
    self.columns = columns
    self.rows = rows
  }

  /// - Parameter mask: pixels of the object's color, of the whole picture.
  func match(_ mask: [Bool], side: Int) -> (color: Bool, form: Bool) {
    let near = Mask(rows.flatMap { row in columns.map { mask[row * side + $0] } })
    var best: (form: Form, score: Double)?
    for candidate in candidates {
      let score = near.intersectionOverUnion(candidate.mask)
      if score > best?.score ?? -1 { best = (candidate.form, score) }
    }
    let inside = Double(near.overlap(expected)) / Double(max(expected.count, 1))
    return (inside > 0.6, best.map { $0.form == object.form && $0.score > 0.7 } ?? false)
  }
}
