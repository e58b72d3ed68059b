extension FileKind {
  /// What a reader needs a file to be.
  package enum Purpose: Hashable, Sendable {
    /// Official weights, or an adapter, in safetensors.
    case weights
    /// A `.sana` file.
    case model
    /// A recorded run.
    case trace
    /// A JSON document of a checkpoint.
    case document
    /// A SentencePiece model.
    case vocabulary

    fileprivate var name: String {
      switch self {
      case .weights: "a safetensors file"
      case .model: "a .sana file"
      case .trace: "an HDF5 file"
      case .document: "a JSON document"
      case .vocabulary: "a SentencePiece model"
      }
    }

    /// Whether a reader of such files may try one: what it finds then is more exact than the kind.
    fileprivate func admits(_ kind: FileKind) -> Bool {
      switch (self, kind) {
      case (_, .unknown), (.weights, .safetensors), (.model, .container), (.trace, .hdf5),
        (.document, .json):
        true
      default: false
      }
    }
  }

  /// Why a file of this kind does not serve a purpose, and what to do; `nil` where it may.
  package func refusal(for purpose: Purpose, path: String) -> SanaError? {
    guard !purpose.admits(self) else { return nil }
    let (message, remedy) = explanation(purpose, path: path)
    return SanaError(.malformedFile, message, remedy: remedy, location: path)
  }

  /// Why a folder does not serve a purpose.
  package static func folderRefusal(for purpose: Purpose, path: String) -> SanaError {
    SanaError(
      .fileAccess, "is a folder, not \(purpose.name)",
      remedy: purpose == .model ? conversionRemedy : "name \(purpose.name)", location: path)
  }

  private static let conversionRemedy =
    "convert official weights first: sana-convert CHECKPOINT -o model.sana"

  private func explanation(
    _ purpose: Purpose, path: String
  ) -> (message: String, remedy: String) {
    let instead = ", not \(purpose.name)"
    let nameOne = "name \(purpose.name)"
    switch self {
    case .empty: return ("is empty", "download or copy it again")
    case .zeros:
      return ("holds nothing but zeros where it begins", "download or copy it again")
    case .largeFilePointer(let byteCount):
      let size = byteCount.map { " of \($0) bytes" } ?? ""
      return (
        "is a git-LFS pointer, a note in place of the file itself\(size)",
        "run 'git lfs pull' in its folder, or download the file itself"
      )
    case .page(let markup):
      return (
        "is an \(markup.rawValue) page, not the file itself",
        "download the file again, after logging in or accepting its licence where that is asked for"
      )
    case .mangledContainer:
      return (
        "is a .sana file that was transferred as text, which destroyed it",
        "transfer it again in binary mode"
      )
    case .safetensors, .zip, .pickle:
      let name = self == .safetensors ? "safetensors file" : self == .zip ? "zip archive" : "pickle"
      return ("is a \(name)\(instead)", purpose == .model ? Self.conversionRemedy : nameOne)
    case .container:
      return (
        "is a .sana file\(instead)",
        purpose == .weights
          ? "it is converted already: give it to sana-run, sana-quant or 'sana-convert inspect'"
          : nameOne
      )
    case .gguf:
      return (
        "is a GGUF file, which is not read",
        purpose == .weights || purpose == .model
          ? "download the release in safetensors and convert that" : nameOne
      )
    case .hdf5:
      return (
        "is an HDF5 file\(instead)",
        purpose == .model
          ? "name a .sana file; recorded runs belong after --reference" : nameOne
      )
    case .json:
      return ("is a JSON document\(instead)", nameOne)
    case .text(let line):
      return ("is a text ('\(line.abbreviated)')\(instead)", "\(nameOne), or download it again")
    case .foreign(let name):
      let article = "AEIOUx".contains(name.first ?? " ") ? "an" : "a"
      return (
        "is \(article) \(name)\(instead)",
        name.hasSuffix("archive") ? "unpack it first, or \(nameOne)" : nameOne
      )
    case .unknown: return ("is not \(purpose.name)", nameOne)
    }
  }
}

extension FileKind {
  /// Whether it is what a transfer leaves where it did not bring the file, whatever the file is.
  package var isInPlaceOfFile: Bool {
    switch self {
    case .empty, .zeros, .largeFilePointer, .page: true
    default: false
    }
  }
}
