/// The colors of the demo's pictures.
package enum Color: Int, CaseIterable {
  case red, orange, yellow, green, blue, purple, pink, white, black

  /// Red, green, blue of -1 ... 1.
  package var components: SIMD3<Float> {
    let levels: SIMD3<Float> =
      switch self {
      case .red: [220, 40, 40]
      case .orange: [245, 140, 30]
      case .yellow: [250, 215, 50]
      case .green: [40, 165, 75]
      case .blue: [45, 95, 220]
      case .purple: [135, 60, 190]
      case .pink: [250, 155, 195]
      case .white: [245, 245, 245]
      case .black: [25, 25, 25]
      }
    return levels / 127.5 - 1
  }
}

/// What a prompt of the demo asks for: the model was trained on pictures drawn from such scenes.
package struct Scene {
  package enum Pattern {
    case plain, striped, checkered, gradient
  }

  package enum Size {
    case small, medium, large

    /// Outer radius by the picture's side.
    var radius: Float {
      switch self {
      case .small: 0.16
      case .medium: 0.22
      case .large: 0.31
      }
    }

    /// How far from the centre a named place is.
    fileprivate var reach: Float {
      switch self {
      case .small: 0.30
      case .medium: 0.25
      case .large: 0.18
      }
    }
  }

  package struct Object {
    package let form: Form
    package let color: Color
    /// Of the centre, in units of the picture's side from the top left corner.
    package let x: Float
    package let y: Float
    package let radius: Float
  }

  package let background: Color
  package let pattern: Pattern
  package let objects: [Object]

  /// One object.
  /// - Parameter place: -1, 0 or 1 to the right and downwards.
  package init(
    _ form: Form, _ color: Color, on background: Color, _ pattern: Pattern = .plain,
    size: Size = .medium, at place: (x: Float, y: Float) = (0, 0)
  ) {
    self.background = background
    self.pattern = pattern
    objects = [
      Object(
        form: form, color: color, x: 0.5 + place.x * size.reach, y: 0.5 + place.y * size.reach,
        radius: size.radius)
    ]
  }

  package enum Arrangement {
    case sideBySide
    case stacked
  }

  /// Two objects of medium size: left and right, or above and below.
  package init(
    _ first: (Form, Color), _ second: (Form, Color), _ arrangement: Arrangement,
    on background: Color
  ) {
    self.background = background
    pattern = .plain
    objects = [(first, Float(-0.25)), (second, 0.25)].map { object, offset in
      Object(
        form: object.0, color: object.1, x: arrangement == .sideBySide ? 0.5 + offset : 0.5,
        y: arrangement == .stacked ? 0.5 + offset : 0.5, radius: Size.medium.radius * 0.9)
    }
  }

  /// The background's color at a point.
  package func backgroundColor(x: Float, y: Float) -> SIMD3<Float> {
    // Patterns follow the latents: eight cells a side.
    let (column, row) = (Int(x * 8), Int(y * 8))
    let share: Float =
      switch pattern {
      case .plain: 0
      case .striped: Float(row % 2)
      case .checkered: Float((column + row) % 2)
      case .gradient: y
      }
    let first = background.components
    let lighter = first * 0.45 + 0.55 * 0.92
    return first * (1 - share) + lighter * share
  }
}
