public import Support
public import WeightFormats

/// Weights given in code: tensors of its own, and for all other names those of another source.
public struct MemorySource: WeightSource {
  private var tensors: [String: StoredTensor] = [:]
  private let base: (any WeightSource)?
  private let onLoad: @Sendable (_ name: String) throws -> Void

  /// - Parameters:
  ///   - base: holds what is not among the tensors, if anything does.
  ///   - onLoad: called before every tensor that is loaded whole; a throw is what loading throws.
  public init(
    _ tensors: [StoredTensor] = [], over base: (any WeightSource)? = nil,
    onLoad: @escaping @Sendable (_ name: String) throws -> Void = { _ in }
  ) {
    self.base = base
    self.onLoad = onLoad
    for tensor in tensors { add(tensor) }
  }

  /// Adds a tensor, or puts it in the place of the one of its name.
  public mutating func add(_ tensor: StoredTensor) { tensors[tensor.description.name] = tensor }

  public mutating func add(
    _ name: String, _ shape: [Int], _ encoding: TensorEncoding, bytes: [UInt8],
    scales: [Float]? = nil, activations: ActivationEncoding = .floatingPoint
  ) {
    add(
      StoredTensor(
        description: TensorDescription(
          name: name, shape: shape, encoding: encoding, activations: activations),
        values: TensorBytes(byteCount: bytes.count) { $0.copyBytes(from: bytes) },
        scales: scales.map { scales in
          scales.withUnsafeBytes { source in
            TensorBytes(byteCount: source.count) { $0.copyMemory(from: source) }
          }
        }))
  }

  /// Adds a tensor of f32.
  public mutating func add(
    _ name: String, _ shape: [Int], _ values: [Float],
    activations: ActivationEncoding = .floatingPoint
  ) {
    add(name, shape, .f32, bytes: values.withUnsafeBytes(Array.init), activations: activations)
  }

  public func description(of name: String) -> TensorDescription? {
    tensors[name]?.description ?? base?.description(of: name)
  }

  public func load(_ name: String) throws -> StoredTensor {
    try onLoad(name)
    if let tensor = tensors[name] { return tensor }
    guard let base else {
      throw SanaError(.tensorMismatch, "no tensor '\(name)'", remedy: "add it")
    }
    return try base.load(name)
  }

  public func loadRows(
    _ rows: [Int], of name: String, on loops: any LoopRunner
  ) throws -> StoredTensor {
    guard tensors[name] == nil, let base else { return try load(name).picking(rows) }
    return try base.loadRows(rows, of: name, on: loops)
  }
}
