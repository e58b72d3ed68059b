internal import Support

/// A small file that travels with a checkpoint as it is: a tokenizer table, a licence.
public struct OfficialDocument: Hashable, Sendable {
  /// The bare file name: `tokenizer.model`.
  public let name: String
  public let contents: [UInt8]

  public init(name: String, contents: [UInt8]) {
    self.name = name
    self.contents = contents
  }

  /// Whether a name that a file holds may become the name of a file.
  static func isSafeName(_ name: String) -> Bool {
    !name.isEmpty && !name.hasPrefix(".") && !name.contains("/") && !name.contains("\0")
  }

  init(in directory: String, named name: String) throws(SanaError) {
    let path = FileSystem.join(directory, name)
    self.init(name: name, contents: try FileSystem.read(path, limit: 256 << 20))
  }
}
