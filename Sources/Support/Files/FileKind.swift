/// What a file is by its first bytes, whatever its name says.
package enum FileKind: Hashable, Sendable {
  case empty
  case zeros
  case safetensors
  case container
  /// A `.sana` file that went through a transfer for text.
  case mangledContainer
  case gguf
  case hdf5
  case zip
  case pickle
  /// A text of git-LFS in place of the file, and the file's size where it says so.
  case largeFilePointer(byteCount: Int?)
  case page(Markup)
  case json
  /// Some other text, and its first line.
  case text(String)
  /// Something that has nothing to do with models, by its format's name: `PNG image`.
  case foreign(String)
  case unknown

  package enum Markup: String, Hashable, Sendable {
    case html = "HTML"
    case xml = "XML"
  }

  private static let examinedByteCount = 512

  /// The first bytes of a `.sana` file.
  package static let containerSignature: [UInt8] = [
    0x89, 0x53, 0x41, 0x4E, 0x41, 0x0D, 0x0A, 0x1A,
  ]

  /// - Parameter file: the whole file; only its beginning is looked at.
  package init(_ file: UnsafeRawBufferPointer) {
    let start = UnsafeRawBufferPointer(rebasing: file.prefix(Self.examinedByteCount))
    self =
      if start.isEmpty {
        .empty
      } else if start.count > 8, start[8] == UInt8(ascii: "{"), start[4..<8].allSatisfy({ $0 == 0 })
      {
        // Eight bytes of a length below 4 GiB, then JSON.
        .safetensors
      } else if let kind = Self.signatures.first(where: { start.holds($0.bytes, at: $0.offset) })?
        .kind
      {
        kind
      } else if start.count >= 8, start[0] == 0x80, 2...5 ~= start[1],
        start[4..<8].contains(where: { $0 != 0 })
      {
        // A safetensors file has zeros there.
        .pickle
      } else if start.count > 8, start.allSatisfy({ $0 == 0 }) {
        .zeros
      } else {
        Self(text: start, isWhole: start.count == file.count)
      }
  }

  /// - Throws: `.fileAccess` when the file cannot be read.
  package init(path: String) throws(SanaError) {
    let file = try MappedFile(path: path)
    self = withExtendedLifetime(file) { Self(file.bytes) }
  }

  private struct Signature {
    let offset: Int
    let bytes: [UInt8]
    let kind: FileKind

    init(_ bytes: [UInt8], at offset: Int = 0, _ kind: FileKind) {
      self.offset = offset
      self.bytes = bytes
      self.kind = kind
    }

    init(_ text: String, at offset: Int = 0, _ kind: FileKind) {
      self.init(Array(text.utf8), at: offset, kind)
    }
  }

  private static let signatures: [Signature] = [
    // Line ends were changed, or the highest bits lost.
    Signature([0x89, 0x53, 0x41, 0x4E, 0x41, 0x0A], .mangledContainer),
    Signature([0x89, 0x53, 0x41, 0x4E, 0x41, 0x0D, 0x0D], .mangledContainer),
    Signature(containerSignature, .container),
    Signature([0x09, 0x53, 0x41, 0x4E, 0x41, 0x0D, 0x0A, 0x1A], .mangledContainer),
    Signature("GGUF", .gguf),
    Signature([0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A], .hdf5),
    Signature([0x50, 0x4B, 0x03, 0x04], .zip),
    Signature([0x50, 0x4B, 0x05, 0x06], .zip),
    Signature([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], .foreign("PNG image")),
    Signature([0xFF, 0xD8, 0xFF], .foreign("JPEG image")),
    Signature("GIF8", .foreign("GIF image")),
    Signature("WEBP", at: 8, .foreign("WebP image")),
    Signature("%PDF-", .foreign("PDF document")),
    Signature([0x93] + Array("NUMPY".utf8), .foreign("NumPy array")),
    Signature([0x1F, 0x8B], .foreign("gzip archive")),
    Signature([0x28, 0xB5, 0x2F, 0xFD], .foreign("Zstandard archive")),
    Signature([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], .foreign("xz archive")),
    Signature([0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C], .foreign("7-Zip archive")),
    Signature("BZh", .foreign("bzip2 archive")),
    Signature("Rar!", .foreign("RAR archive")),
    Signature("ustar", at: 257, .foreign("tar archive")),
    Signature([0x7F] + Array("ELF".utf8), .foreign("program")),
  ]

  private init(text start: UnsafeRawBufferPointer, isWhole: Bool) {
    var bytes = start[...]
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = bytes.dropFirst(3) }
    let isText = bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F || [0x09, 0x0A, 0x0D].contains($0) }
    // The last character may be cut.
    let ending = isWhole ? bytes : bytes.dropLast(3)
    guard isText,
      let text = String(validating: isWhole ? bytes : ending, as: UTF8.self)
        ?? (isWhole ? nil : String(validating: bytes, as: UTF8.self))
    else {
      self = .unknown
      return
    }
    let trimmed = text.drop(while: \.isWhitespace)
    let lowercased = trimmed.lowercased()
    func begins(_ beginnings: String...) -> Bool {
      beginnings.contains(where: lowercased.hasPrefix)
    }
    self =
      if trimmed.hasPrefix("version https://git-lfs") || trimmed.hasPrefix("version https://hawser")
      {
        .largeFilePointer(byteCount: Self.size(inPointer: text))
      } else if begins("<!doctype html", "<html", "<head", "<body") {
        .page(.html)
      } else if begins("<?xml", "<error") {
        .page(lowercased.contains("<html") ? .html : .xml)
      } else if begins("{", "[") {
        .json
      } else {
        .text(String(trimmed.prefix { !$0.isNewline }))
      }
  }

  private static func size(inPointer text: String) -> Int? {
    text.split(whereSeparator: \.isNewline).first { $0.hasPrefix("size ") }
      .flatMap { Int($0.dropFirst("size ".count)) }
  }
}

extension UnsafeRawBufferPointer {
  fileprivate func holds(_ bytes: [UInt8], at offset: Int) -> Bool {
    dropFirst(offset).starts(with: bytes)
  }
}
