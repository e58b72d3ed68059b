/// Where the weights of one component are.
struct WeightFiles {
  let path: String
  let isIndex: Bool
  let variant: String?

  /// The names that diffusers and transformers give to weights.
  private static let bases = ["diffusion_pytorch_model", "model"]

  func open() throws(SanaError) -> SafetensorsCollection {
    isIndex
      ? try SafetensorsCollection(index: path) : try SafetensorsCollection(file: path)
  }

  /// Opens one file, of whatever format.
  /// - Parameter state: which of a torch file's dictionaries is wanted.
  static func open(
    file path: String, state: StateSelection? = nil
  ) throws(SanaError) -> any CheckpointTensors {
    if try TorchFile.isTorchFile(path) { return try TorchFile(path: path, selection: state) }
    let file = try SafetensorsCollection(file: path)
    if state != nil { throw stateWithoutTorchFile(path) }
    return file
  }

  static func stateWithoutTorchFile(_ path: String) -> SanaError {
    SanaError(
      .invalidArgument, "is no file of torch.save, which alone may hold several states",
      remedy: "drop --state", location: path)
  }

  /// The files that diffusers would take: those of the variant if there are any, else the plain ones. An index goes before a
  /// single file, as there.
  static func locate(in directory: String, variant: String?) throws(SanaError) -> WeightFiles {
    for variant in variant.map({ [$0, nil] }) ?? [nil] {
      if let found = exact(in: directory, variant: variant) { return found }
    }
    let variants = try variants(in: directory)
    if let first = variants.first {
      throw SanaError(
        .fileAccess,
        "holds no plain weights, only the variants \(variants.joined(separator: ", "))",
        remedy: "pass --variant \(first)", location: directory)
    }
    let hasPickles = try FileSystem.names(in: directory).contains { $0.hasSuffix(".bin") }
    throw SanaError(
      .fileAccess, "holds no safetensors weights" + (hasPickles ? ", only pickled ones" : ""),
      remedy: variant == nil
        ? "download the .safetensors files" : "download the .safetensors files or drop --variant",
      location: directory)
  }

  /// The files of this variant, or the plain ones for `nil`, and no others.
  static func exact(in directory: String, variant: String?) -> WeightFiles? {
    for base in bases {
      let infix = variant.map { ".\($0)" } ?? ""
      let index = FileSystem.join(directory, "\(base).safetensors.index\(infix).json")
      if FileSystem.kind(of: index) == .file {
        return WeightFiles(path: index, isIndex: true, variant: variant)
      }
      let file = FileSystem.join(directory, "\(base)\(infix).safetensors")
      if FileSystem.kind(of: file) == .file {
        return WeightFiles(path: file, isIndex: false, variant: variant)
      }
    }
    return nil
  }

  /// The variants that a folder has, by the names of its files: `fp16` for `model.fp16.safetensors`, or for an index
  /// `model.safetensors.index.fp16.json`.
  static func variants(in directory: String) throws(SanaError) -> [String] {
    var variants: Set<String> = []
    for name in try FileSystem.names(in: directory) {
      for base in bases {
        for (prefix, suffix) in [
          (base + ".", ".safetensors"), (base + ".safetensors.index.", ".json"),
        ]
        where name.hasPrefix(prefix) && name.hasSuffix(suffix)
          && name.utf8.count > prefix.utf8.count + suffix.utf8.count
        {
          let variant = String(name.dropFirst(prefix.count).dropLast(suffix.count))
          // `model.fp16-00001-of-00002.safetensors` is a part of what an index names.
          if !variant.contains(where: { ".-".contains($0) }) { variants.insert(variant) }
        }
      }
    }
    return variants.sorted()
  }
}
