internal import Support

/// An adapter: for some matrices of a network, products of small ones that are added to them. Those
/// of LoRA (https://arxiv.org/abs/2106.09685, section 4.1), LoKr and LoHa
/// (https://arxiv.org/abs/2309.14859) are read, each with the lengths of rows or columns that DoRA
/// (https://arxiv.org/abs/2402.09353) adds.
///
/// A file is safetensors or one of `torch.save`. Its names are those that trainers write
/// (`AdapterTensorName`, `AdapterTargets`); how strongly its matrices are added, `AdapterScaling`
/// finds out.
public struct LowRankAdapter: Sendable {
  public let path: String
  /// The strength that the user asked for.
  public let scale: Double
  /// In the order of the file.
  package let modules: [AdapterModule]
  /// What each of them is multiplied by before `scale`.
  package let factors: [AdapterScaling.Factor]
  /// What the person should know of how it was read.
  package let notices: [String]
  private let file: any CheckpointTensors

  /// - Throws: as `SafetensorsFile` and `TorchFile` do; `.tensorMismatch` naming a tensor that is
  ///   no part of an adapter or lacks its other half; `.unsupported` naming a flavour that is not
  ///   merged.
  public init(path: String, scale: Double = 1) throws {
    guard scale.isFinite else {
      throw SanaError(
        .invalidArgument, "the scale of a LoRA must be a number",
        remedy: "use a number such as 0.8",
        location: path)
    }
    self.scale = scale
    let path = try Self.file(at: path)
    self.path = path
    let file = try WeightFiles.open(file: path)
    self.file = file
    let contents = try Contents(of: file, path: path)
    modules = contents.modules
    let scaling = try AdapterScaling(
      path: path, metadata: file.metadata,
      modules: modules)
    factors = try modules.map { try scaling.factor(of: $0) }
    let embeddings = contents.embeddings.map {
      "the embedding of '\($0.abbreviated)' is left out: a converted model has no such word"
    }
    notices = [file.torchFile?.notice].compactMap(\.self) + scaling.notices + embeddings
  }

  /// The adapter's file in a folder as PEFT or diffusers writes it, or the file itself.
  private static func file(at path: String) throws(SanaError) -> String {
    guard FileSystem.kind(of: path) == .directory else { return path }
    let names =
      AdapterConfiguration.adapterNames + [
        "pytorch_lora_weights.safetensors", "pytorch_lora_weights.bin",
      ]
    let files = names.map { FileSystem.join(path, $0) }.filter { FileSystem.kind(of: $0) == .file }
    guard let file = files.first else {
      throw SanaError(
        .fileAccess, "is a folder without \(names[0]) and \(names[2])",
        remedy: "name the LoRA's file", location: path)
    }
    return file
  }

  /// Counts NaN and infinities among the adapter's own numbers.
  func count(into found: NotFiniteNumbers) throws {
    for tensor in file.tensors {
      guard let elements = try file.elements(of: tensor.name) else { continue }
      found.add(
        elements.countNotFinite(in: 0..<elements.count), tensor: tensor.name, path: path)
    }
  }

  /// Whether a file's tensors are named like those of an adapter.
  static func isAdapter(_ tensors: any CheckpointTensors) -> Bool {
    tensors.tensors.contains {
      switch AdapterTensorName($0.name) {
      case .part(.alpha, _), .embedding, nil: false
      case .part, .unsupported: true
      }
    }
  }

  static func mismatch(
    _ message: String, _ path: String,
    remedy: String = "use a LoRA made for this model"
  ) -> SanaError {
    SanaError(.tensorMismatch, message, remedy: remedy, location: path)
  }

  /// The tensors of a file, module by module.
  private struct Contents {
    let modules: [AdapterModule]
    /// Placeholders whose embeddings are in the file.
    let embeddings: [String]

    init(of file: any CheckpointTensors, path: String) throws(SanaError) {
      var order: [String] = []
      var parts: [String: [AdapterPart: CheckpointTensor]] = [:]
      var first: [String: String] = [:]
      var embeddings: [String] = []
      for tensor in file.tensors {
        switch AdapterTensorName(tensor.name) {
        case nil:
          throw LowRankAdapter.mismatch(
            "'\(tensor.name.abbreviated)' is no tensor of a LoRA", path,
            remedy: "merge it with the library that made it and convert the result")
        case .unsupported(let flavour):
          throw SanaError(
            .unsupported,
            "holds '\(tensor.name.abbreviated)' of a flavour that is not merged: \(flavour)",
            remedy: "merge it with the library that made it and convert the result",
            location: path)
        case .embedding(let placeholder): embeddings.append(placeholder)
        case .part(let part, let module):
          guard tensor.type.isFloatingPoint || part == .alpha else {
            throw LowRankAdapter.mismatch(
              "'\(tensor.name.abbreviated)' holds \(tensor.type.rawValue) numbers", path,
              remedy: "save the LoRA in a floating-point type")
          }
          if parts[module] == nil { order.append(module) }
          if first[module] == nil, part != .alpha { first[module] = tensor.name }
          guard parts[module, default: [:]].updateValue(tensor, forKey: part) == nil else {
            throw LowRankAdapter.mismatch(
              "'\(tensor.name.abbreviated)' is there under two names", path,
              remedy: "save the one adapter that is wanted alone")
          }
        }
      }
      guard !order.isEmpty else {
        throw LowRankAdapter.mismatch("holds no tensors of a LoRA", path)
      }
      self.embeddings = Set(embeddings).sorted()
      modules = try order.map { module throws(SanaError) in
        try AdapterModule(
          name: module, parts: parts[module] ?? [:], firstTensor: first[module] ?? module,
          file: file, path: path)
      }
    }
  }
}

extension CheckpointTensor {
  /// Rows and columns of a linear layer or a 1x1 convolution; `nil` for anything else.
  package var matrixShape: (rows: Int, columns: Int)? {
    guard shape.count == 2 || (shape.count == 4 && shape.suffix(2) == [1, 1]) else { return nil }
    return (shape[0], shape[1])
  }
}
