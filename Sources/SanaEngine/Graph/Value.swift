/// A handle to one activation of a `Graph`.
public struct Value: Hashable, Sendable {
  /// Position in `Graph.values`.
  public let index: Int
}

/// How an activation's numbers are held between operations.
public enum Precision: Hashable, Sendable {
  case f32
  case f16
  /// Token ids and token counts: four-byte signed integers.
  case i32

  public var byteCount: Int {
    switch self {
    case .f32, .i32: 4
    case .f16: 2
    }
  }
}

/// What the graph knows about one activation.
public struct ValueDescription: Hashable, Sendable {
  public let shape: Shape
  public let precision: Precision
  /// The names under which the value can be observed, those PyTorch's traces use, e.g. `block0.attn1.in`. Where one module ends with
  /// another (a stage with its last block) the value has both names.
  public var names: [String]

  public var byteCount: Int { shape.elementCount * precision.byteCount }
}

/// A weight that a graph needs: its name in the component and the shape the model expects.
public struct Parameter: Hashable, Sendable {
  /// How an operation reads it.
  public enum Access: Hashable, Sendable {
    /// All of it, whenever the graph runs.
    case whole
    /// A few rows, which depend on the inputs: never resident, its rows are loaded when the operation runs.
    case rows
  }

  public let name: String
  public let shape: [Int]
  public let access: Access

  public init(_ name: String, _ shape: [Int], access: Access = .whole) {
    self.name = name
    self.shape = shape
    self.access = access
  }
}
