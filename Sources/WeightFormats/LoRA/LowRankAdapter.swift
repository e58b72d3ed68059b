/// A LoRA: for some of the transformer's matrices a product of two thin ones that is added to them
/// (https://arxiv.org/abs/2106.09685, section 4.1).
///
/// The names are those of diffusers and PEFT: `transformer.transformer_blocks.0.attn1.to_q.lora_A.weight`, with the prefix
/// `transformer.`, `base_model.model.` or none; `lora.down` and `lora_down` mean `lora_A`. Where the file has no `.alpha` of a
/// matrix, the adapter's configuration says it (in the file's metadata or `adapter_config.json` beside it), else it is the rank.
public struct LowRankAdapter: Sendable {
  /// What is added to one matrix: `factor * up * down`.
  package struct Product: Sendable {
    /// `[rank, inputs]`.
    package let down: SafetensorsTensor
    /// `[outputs, rank]`.
    package let up: SafetensorsTensor
    /// `scale * alpha / rank`.
    package let factor: Double
  }

  public let path: String
  /// The strength that the user asked for.
  public let scale: Double
  /// By the official name of the matrix: `transformer_blocks.0.attn1.to_q.weight`.
  package let products: [String: Product]
  private let file: SafetensorsFile

  /// - Throws: as `SafetensorsFile` does; `.tensorMismatch` naming a tensor that is no part of a LoRA or lacks its other half;
  ///   `.unsupported` for variants whose merging is not this sum.
  public init(path: String, scale: Double = 1) throws {
    guard scale.isFinite else {
      throw SanaError(
        .invalidArgument, "the scale of a LoRA must be a number",
        remedy: "use a number such as 0.8",
        location: path)
    }
    self.path = path
    self.scale = scale
    let file = try SafetensorsFile(path: path)
    self.file = file
    let defaultAlpha = try AdapterConfiguration.alpha(of: file)
    var modules: [String: Module] = [:]
    for tensor in file.tensors {
      guard let (module, part) = Part.parse(tensor.name) else {
        throw Self.mismatch("'\(tensor.name.abbreviated)' is no tensor of a LoRA for Sana", path)
      }
      guard tensor.type.isFloatingPoint else {
        throw Self.mismatch(
          "'\(tensor.name.abbreviated)' holds \(tensor.type.rawValue) numbers", path)
      }
      guard modules[module, default: Module()].parts.updateValue(tensor, forKey: part) == nil else {
        throw Self.mismatch("'\(tensor.name.abbreviated)' is there under two names", path)
      }
    }
    guard !modules.isEmpty else { throw Self.mismatch("holds no tensors", path) }
    var products: [String: Product] = [:]
    for (name, module) in modules {
      products[name + ".weight"] = try module.product(
        named: name, scale: scale, defaultAlpha: defaultAlpha, in: file)
    }
    self.products = products
  }

  /// What is added to a matrix, or `nil` where nothing is.
  /// - Parameter name: the matrix's official name.
  func term(for name: String) -> LowRankUpdate.Term? {
    guard let product = products[name], let up = floats(of: product.up),
      let down = floats(of: product.down)
    else { return nil }
    return LowRankUpdate.Term(
      rank: product.down.shape[0], factor: Float(product.factor), up: up, down: down)
  }

  /// A copy of a tensor as aligned f32.
  private func floats(of tensor: SafetensorsTensor) -> TensorBytes? {
    file.bytes(of: tensor.name).map { bytes in
      let elements = TensorElements(type: tensor.type, bytes: bytes)
      return TensorBytes(byteCount: elements.count * 4) { elements.write(as: .f32, to: $0) }
    }
  }

  /// Counts NaN and infinities among the adapter's own numbers.
  func count(into found: NotFiniteNumbers) {
    for tensor in file.tensors {
      guard let bytes = file.bytes(of: tensor.name) else { continue }
      found.add(
        NotFiniteCount(in: bytes.bytes, of: tensor.type), tensor: tensor.name, path: path)
    }
  }

  /// What a file that it was merged into says about it.
  /// - Parameter digest: the file's SHA-256.
  func provenance(digest: String) -> MetadataValue {
    [
      "name": .string(FileSystem.name(of: path)),
      "sha256": .string(digest),
      "scale": .number(scale),
      "merging": "W + scale * alpha / rank * B A in f32, rounded once",
    ]
  }

  /// Whether a file's tensors are named like those of an adapter.
  static func isAdapter(_ tensors: any CheckpointTensors) -> Bool {
    tensors.tensors.contains { Part.parse($0.name)?.part == .down }
  }

  /// What an inventory says about an adapter's file.
  static func remark(path: String) -> String {
    do {
      let products = try LowRankAdapter(path: path).products.values
      let ranks = Set(products.map { $0.down.shape[0] }).sorted().map(String.init)
      return
        "a LoRA of rank \(ranks.joined(separator: ", ")) for \(products.count) matrices of the transformer; merge it with --lora"
    } catch {
      return "a LoRA that cannot be merged: \(error)"
    }
  }

  static func mismatch(_ message: String, _ path: String) -> SanaError {
    SanaError(
      .tensorMismatch, message, remedy: "use a LoRA made for this model's transformer",
      location: path)
  }

  /// The parts of one matrix's adapter.
  private struct Module {
    var parts: [Part: SafetensorsTensor] = [:]

    func product(
      named name: String, scale: Double, defaultAlpha: Double?, in file: SafetensorsFile
    ) throws(SanaError) -> Product {
      guard let down = parts[.down], let up = parts[.up] else {
        let half = parts.first?.value.name ?? name
        throw LowRankAdapter.mismatch("'\(half.abbreviated)' lacks its other half", file.path)
      }
      guard let (rank, _) = down.matrixShape, let (_, columns) = up.matrixShape, rank == columns,
        rank > 0
      else {
        throw LowRankAdapter.mismatch(
          "'\(up.name.abbreviated)' of the shape \(up.shape) does not fit '\(down.name.abbreviated)' of the shape \(down.shape)",
          file.path)
      }
      var alpha = defaultAlpha ?? Double(rank)
      if let tensor = parts[.alpha] {
        guard tensor.elementCount == 1, let bytes = file.bytes(of: tensor.name) else {
          throw LowRankAdapter.mismatch(
            "'\(tensor.name.abbreviated)' has the shape \(tensor.shape), not one number", file.path)
        }
        alpha = TensorElements(type: tensor.type, bytes: bytes).withFloats { Double($0[0]) }
      }
      guard alpha.isFinite else {
        throw LowRankAdapter.mismatch("the alpha of '\(name.abbreviated)' is no number", file.path)
      }
      return Product(down: down, up: up, factor: scale * alpha / Double(rank))
    }
  }

  private enum Part: Hashable {
    case down, up, alpha

    private static let suffixes: [(String, Part)] = [
      (".lora_A.weight", .down), (".lora_B.weight", .up),
      (".lora_A.default.weight", .down), (".lora_B.default.weight", .up),
      (".lora.down.weight", .down), (".lora.up.weight", .up),
      (".lora_down.weight", .down), (".lora_up.weight", .up), (".alpha", .alpha),
    ]

    /// The module that a tensor adapts, and which part of the adapter it is.
    static func parse(_ name: String) -> (module: String, part: Part)? {
      var name = name[...]
      for prefix in ["base_model.model.", "transformer."] where name.hasPrefix(prefix) {
        name = name.dropFirst(prefix.count)
      }
      for (suffix, part) in suffixes where name.hasSuffix(suffix) {
        return (String(name.dropLast(suffix.count)), part)
      }
      return nil
    }
  }
}

extension SafetensorsTensor {
  /// Rows and columns of a linear layer or a 1x1 convolution; `nil` for anything else.
  package var matrixShape: (rows: Int, columns: Int)? {
    guard shape.count == 2 || (shape.count == 4 && shape.suffix(2) == [1, 1]) else { return nil }
    return (shape[0], shape[1])
  }
}
