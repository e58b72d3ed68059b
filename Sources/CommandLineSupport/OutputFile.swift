#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif
public import Support

/// The place of a command's output, checked before the work that fills it begins: every command
/// that writes asks here first.
public struct OutputFile: Sendable {
  /// What is written.
  public enum Format: Sendable {
    /// A `.sana` file.
    case model
    /// A PNG file.
    case picture
    /// A folder in the official layout.
    case checkpoint
    /// An HDF5 file of what products multiply.
    case statistics
    /// A page, a table or another text.
    case document
  }

  /// As the user named it.
  public let path: String
  /// Whether the output is the standard output, which only a picture can be.
  public let isStandardOutput: Bool

  /// - Parameters:
  ///   - path: `-` is the standard output, as is a link that leads there.
  ///   - inputs: the files that the command reads, none of which is ever replaced.
  /// - Throws: `.invalidArgument` or `.fileAccess` when no such output can be created or replaced
  ///   under this name.
  public init(
    _ path: String, _ format: Format, reading inputs: InputFiles = InputFiles()
  ) throws(SanaError) {
    self.path = path
    guard !path.isEmpty else {
      throw SanaError(
        .invalidArgument, "the output's name is empty",
        remedy: "name a file" + (format == .document ? "" : " after --output"))
    }
    if path != "-", case .place(let target) = try OutputTarget(following: path) {
      isStandardOutput = false
      try Self.checkName(path, format)
      try Self.checkFolder(of: target, named: path)
      try inputs.check(path)
      if format != .checkpoint { try Self.checkReplaced(target, by: format, named: path) }
    } else {
      isStandardOutput = true
      try Self.checkStandardOutput(takes: format, named: path)
    }
  }

  private static func checkStandardOutput(
    takes format: Format, named path: String
  ) throws(SanaError) {
    guard format == .picture else {
      throw SanaError(
        .invalidArgument,
        format == .document
          ? "\(format.label) is written to a file, not to standard output"
          : "\(format.label) cannot be written to standard output: its parts are not written in order",
        remedy: "name a \(format == .checkpoint ? "folder" : "file")"
          + (format == .document ? "" : " after --output"), location: path)
    }
    guard !OutputStream.standardOutput.isTerminalDevice else {
      throw SanaError(
        .invalidArgument, "a picture would be written to the terminal",
        remedy: "add '> picture.png', or name a file after --output", location: path)
    }
  }

  /// Pictures in other formats are not written under their names.
  private static func checkName(_ path: String, _ format: Format) throws(SanaError) {
    guard format == .picture, let dot = FileSystem.name(of: path).lastIndex(of: ".") else { return }
    let ending = FileSystem.name(of: path)[dot...].dropFirst().lowercased()
    guard otherPictureEndings.contains(ending) else { return }
    throw SanaError(
      .invalidArgument, "pictures are written as PNG, not as .\(ending)",
      remedy: "end the name in .png", location: path)
  }

  private static let otherPictureEndings: Set<String> = [
    "apng", "avif", "bmp", "exr", "gif", "heic", "heif", "ico", "jfif", "jp2", "jpe", "jpeg", "jpg",
    "jxl", "pbm", "pdf", "pgm", "pnm", "ppm", "psd", "qoi", "svg", "tga", "tif", "tiff", "webp",
    "xcf",
  ]

  private static func checkFolder(of target: String, named path: String) throws(SanaError) {
    let directory = FileSystem.parent(of: target)
    switch FileSystem.kind(of: directory) {
    case .directory: break
    case nil:
      throw SanaError(
        .fileAccess, "there is no directory '\(directory)'", remedy: "create it first",
        location: path)
    default:
      throw SanaError(
        .fileAccess, "'\(directory)' is not a directory", remedy: "choose another place",
        location: path)
    }
    guard access(directory, W_OK | X_OK) == 0 else {
      throw SanaError(
        .fileAccess,
        "no file can be created in '\(directory)': \(String(cString: strerror(errno)))",
        remedy: "choose a place you may write to", location: path)
    }
  }

  /// What stands there may be replaced when it is an ordinary file, and not one that plainly is no
  /// older output.
  private static func checkReplaced(
    _ target: String, by format: Format, named path: String
  ) throws(SanaError) {
    guard !path.hasSuffix("/"), FileSystem.kind(of: target) != .directory else {
      throw SanaError(
        .fileAccess, "is a directory", remedy: "name a file inside it", location: path)
    }
    guard !FileSystem.isWriteProtected(target) else {
      throw SanaError(
        .fileAccess, "exists and is write-protected",
        remedy: "choose another name, or make it writable (chmod u+w)", location: path)
    }
    if let existing = format.stranger(at: target) {
      throw SanaError(
        .fileAccess, "is \(existing), and \(format.label) would replace it",
        remedy: "choose another name, or remove it first", location: path)
    }
  }
}

extension OutputFile.Format {
  fileprivate var label: String {
    switch self {
    case .model: "a .sana model"
    case .picture: "a picture"
    case .checkpoint: "a checkpoint"
    case .statistics: "a file of statistics"
    case .document: "a report"
    }
  }

  /// What an existing file is, where it plainly is neither an older output of the same kind nor
  /// without worth.
  fileprivate func stranger(at path: String) -> String? {
    guard FileSystem.kind(of: path) == .file, let kind = try? FileKind(path: path) else {
      return nil
    }
    return switch kind {
    case .container: self == .model ? nil : "a .sana model"
    case .safetensors: "a safetensors file"
    case .gguf: "a GGUF model"
    case .hdf5: self == .statistics ? nil : "an HDF5 file"
    case .zip, .pickle: "a torch file or another archive"
    case .json: self == .document ? nil : "a JSON document"
    case .foreign("PNG image"): self == .picture ? nil : "a picture"
    case .foreign(let name): "of another kind (\(name))"
    case .empty, .zeros, .mangledContainer, .largeFilePointer, .page, .text, .unknown: nil
    }
  }
}
