internal import Support

/// The networks of a pipeline. The raw value names the component on the command line and in a
/// `.sana` file.
public enum ComponentKind: String, Hashable, Sendable, CaseIterable {
  case textEncoder = "text-encoder"
  case transformer = "transformer"
  case autoencoder = "autoencoder"

  /// The folder in an official diffusers repository.
  public var officialFolder: String {
    switch self {
    case .textEncoder: "text_encoder"
    case .transformer: "transformer"
    case .autoencoder: "vae"
    }
  }

  /// The class name in an official `model_index.json`.
  public var officialClass: String {
    switch self {
    case .textEncoder: "Gemma2Model"
    case .transformer: "SanaTransformer2DModel"
    case .autoencoder: "AutoencoderDC"
    }
  }
}

extension ComponentKind {
  /// The name of the folder that holds a file, after that of the pipeline where it is a
  /// component's: `Sana_600M/vae`.
  static func folderName(of path: String) -> String {
    let parent = FileSystem.parent(of: path)
    let folder = FileSystem.realPath(of: parent) ?? parent
    let name = FileSystem.name(of: folder)
    guard allCases.contains(where: { $0.officialFolder == name }) else { return name }
    return "\(FileSystem.name(of: FileSystem.parent(of: folder)))/\(name)"
  }
}
