package import Support

/// What a file begins with, its kind, and what is said of it where weights are wanted.
public struct FileKindSample: CustomStringConvertible, Sendable {
  public var description: String { words }
  public let bytes: [UInt8]
  package let kind: FileKind
  public let words: String

  init(_ bytes: [UInt8], _ kind: FileKind, _ words: String) {
    self.bytes = bytes
    self.kind = kind
    self.words = words
  }

  init(_ text: String, _ kind: FileKind, _ words: String) {
    self.init(Array(text.utf8), kind, words)
  }

  private static let padding = [UInt8](repeating: 0, count: 80)
  private static let pointer = """
    version https://git-lfs.github.com/spec/v1
    oid sha256:\(String(repeating: "0", count: 64))
    size 4987994112

    """

  public static let all: [FileKindSample] = [
    FileKindSample([], .empty, "is empty; download or copy it again"),
    FileKindSample(
      [UInt8](repeating: 0, count: 4096), .zeros, "holds nothing but zeros where it begins;"),
    FileKindSample(
      Array("GGUF".utf8) + [3, 0, 0, 0] + padding, .gguf,
      "is a GGUF file, which is not read; download the release in safetensors and convert that"),
    FileKindSample(
      [0x89, 0x53, 0x41, 0x4E, 0x41, 0x0D, 0x0A, 0x1A, 1, 0] + padding, .container,
      "is a .sana file, not a safetensors file; it is converted already"),
    FileKindSample(
      [0x89, 0x53, 0x41, 0x4E, 0x41, 0x0A, 0x1A, 1, 0] + padding, .mangledContainer,
      "is a .sana file that was transferred as text"),
    FileKindSample(
      [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A] + padding, .hdf5,
      "is an HDF5 file, not a safetensors file"),
    FileKindSample(
      "<!DOCTYPE html><html><body>Access to this model is restricted.</body></html>", .page(.html),
      "is an HTML page, not the file itself; download the file again"),
    FileKindSample("\u{FEFF}\n  <HTML lang=\"en\">\n<head>", .page(.html), "is an HTML page"),
    FileKindSample(
      #"<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code></Error>"#,
      .page(.xml), "is an XML page, not the file itself"),
    FileKindSample(
      #"{"error": "Repository not found"}"#, .json,
      "is a JSON document, not a safetensors file; name a safetensors file"),
    FileKindSample(
      "Entry not found\nreally", .text("Entry not found"),
      "is a text ('Entry not found'), not a safetensors file"),
    FileKindSample(
      pointer, .largeFilePointer(byteCount: 4_987_994_112),
      "is a git-LFS pointer, a note in place of the file itself of 4987994112 bytes; run 'git lfs pull' in its folder"
    ),
    FileKindSample(
      [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + padding, .foreign("PNG image"),
      "is a PNG image, not a safetensors file; name a safetensors file"),
    FileKindSample(
      [0x28, 0xB5, 0x2F, 0xFD] + padding, .foreign("Zstandard archive"),
      "is a Zstandard archive, not a safetensors file; unpack it first"),
    FileKindSample(
      [0x1F, 0x8B, 8, 0] + padding, .foreign("gzip archive"),
      "is a gzip archive, not a safetensors file; unpack it first"),
  ]
}
