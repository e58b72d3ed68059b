package import Support

/// The weights that are taken from a folder, and what is to be said about the choice.
package struct WeightFiles {
  private let chosen: WeightSet
  let notices: [String]

  var variant: String? { chosen.variant }

  func open() throws(SanaError) -> WeightCollection { try WeightCollection(paths: chosen.paths) }

  /// Opens a file, or all of the set that it is a part or the index of.
  /// - Parameter state: which of a torch file's dictionaries is wanted.
  package static func open(
    file path: String, state: StateSelection? = nil
  ) throws(SanaError) -> WeightCollection {
    let name = FileSystem.name(of: path)
    guard let role = WeightFileName(name)?.role, role != .whole else {
      return try WeightCollection(paths: [path], state: state)
    }
    let sets = try WeightSet.all(in: FileSystem.parent(of: path))
    guard let set = sets.first(where: { $0.name == name || $0.fileNames.contains(name) }) else {
      return try WeightCollection(paths: [path], state: state)
    }
    if let error = set.error { throw error }
    return try WeightCollection(paths: set.paths, state: state)
  }

  static func stateWithoutTorchFile(_ path: String) -> SanaError {
    SanaError(
      .invalidArgument, "is no file of torch.save, which alone may hold several states",
      remedy: "drop --state", location: path)
  }

  /// The files that a library would take: those of the variant if there are any, else the plain
  /// ones. Where the library takes none, a complete set that it does not look for.
  /// - Parameter named: a file that the configuration names (`transformers_weights`), which goes
  ///   before all others.
  /// - Throws: `.fileAccess` naming a file that is missing, or when there are no weights at all;
  ///   what opening an index throws.
  static func locate(
    in directory: String, variant: String?, library: OfficialLibrary, named: String? = nil
  ) throws(SanaError) -> WeightFiles {
    var sets = try WeightSet.all(in: directory)
    if let named, library == .transformers {
      sets.append(try WeightSet(named: named, stem: .transformersSafetensors, in: directory))
    }
    for variant in variant.map({ [$0, nil] }) ?? [nil] {
      let found = sets.filter { $0.variant == variant }
      if !found.isEmpty { return try WeightFiles(choosingFrom: found, as: library) }
    }
    throw try nothing(in: directory, variants: variants(of: sets), library: library)
  }

  /// The files of this variant, or the plain ones for `nil`, and no others; `nil` where there are
  /// none.
  /// - Throws: as `locate`.
  static func exact(
    in directory: String, variant: String?, library: OfficialLibrary
  ) throws(SanaError) -> WeightFiles? {
    let sets = try WeightSet.all(in: directory).filter { $0.variant == variant }
    return sets.isEmpty ? nil : try WeightFiles(choosingFrom: sets, as: library)
  }

  /// The variants that a folder has, by the names of its files.
  static func variants(in directory: String) throws(SanaError) -> [String] {
    variants(of: try WeightSet.all(in: directory))
  }

  private static func variants(of sets: [WeightSet]) -> [String] {
    Set(sets.compactMap(\.variant)).sorted()
  }

  /// - Parameter sets: at least one.
  private init(choosingFrom sets: [WeightSet], as library: OfficialLibrary) throws(SanaError) {
    let sets = sets.sorted(by: library.prefers)
    guard let place = sets.firstIndex(where: { $0.fault == nil }) else {
      throw sets.compactMap(\.error).first
        ?? SanaError(
          .fileAccess, "holds no weights", remedy: "download them", location: sets[0].directory)
    }
    let chosen = sets[place]
    self.chosen = chosen
    let isLibrarys = library.place(of: chosen) != nil
    var notices: [String] = []
    for faulty in sets[..<place] {
      if case .index(let error) = faulty.fault { throw error }
    }
    for (index, other) in sets.enumerated() where index != place {
      switch other.fault {
      case nil:
        notices.append(
          "\(chosen.label) is taken"
            + (isLibrarys ? ", as \(library.rawValue) does" : "")
            + ", not \(other.label), which is there too")
      case .missing, .dangling:
        // Parts of another set that are left over say nothing about this one.
        guard index < place || other.form == .indexed else { break }
        notices.append("\(other.faultText), so \(chosen.label) is taken")
      case .index(let error):
        notices.append("\(other.name.abbreviated) cannot be read (\(error.message))")
      }
    }
    if !isLibrarys {
      notices.append("\(chosen.label) is taken, which \(library.rawValue) itself does not look for")
    }
    self.notices = notices
  }

  private static func nothing(
    in directory: String, variants: [String], library: OfficialLibrary
  ) throws(SanaError) -> SanaError {
    if let first = variants.first {
      return SanaError(
        .fileAccess,
        "holds no plain weights, only the variants \(variants.map(\.abbreviated).joined(separator: ", "))",
        remedy: "pass --variant \(first.abbreviated)", location: directory)
    }
    let suffixes = [".safetensors", ".bin", ".pth", ".pt", ".ckpt"]
    let other = try FileSystem.names(in: directory).first { name in
      suffixes.contains(where: name.hasSuffix)
        && FileSystem.kind(of: FileSystem.join(directory, name)) == .file
    }
    guard let other else {
      return SanaError(
        .fileAccess, "holds no weights", remedy: "download its .safetensors files",
        location: directory)
    }
    let stem: WeightFileStem =
      library == .diffusers ? .diffusersSafetensors : .transformersSafetensors
    return SanaError(
      .fileAccess,
      "holds no weights under a name that \(library.rawValue) gives them, only '\(other.abbreviated)'",
      remedy: "rename it \(stem.name).\(stem.format.suffix), or name that file itself",
      location: directory)
  }
}

extension WeightSet {
  /// What keeps the set from being read, for a note.
  fileprivate var faultText: String {
    switch fault {
    case .missing(let missing) where form == .indexed || form == .named:
      "\(name.abbreviated) names '\(missing.abbreviated)', which is missing"
    case .missing(let missing): "'\(missing.abbreviated)' is missing beside \(name.abbreviated)"
    case .dangling(let link, let target):
      "'\(link.abbreviated)' is a link that leads nowhere (to '\(target.abbreviated)')"
    case .index(let error): error.message
    case nil: "\(name.abbreviated) is complete"
    }
  }

  /// What keeps the set from being read.
  fileprivate var error: SanaError? {
    let path = FileSystem.join(directory, name)
    switch fault {
    case nil: return nil
    case .index(let error): return error
    case .dangling(let link, _): return .danglingLink(FileSystem.join(directory, link))
    case .missing(let missing):
      let message =
        switch form {
        case .indexed,
          .named where missing != name:
          "names the file '\(missing.abbreviated)', which is missing"
        case .parts(let count):
          "is one of \(count) parts, of which '\(missing.abbreviated)' is missing"
        case .named, .single: "is missing"
        }
      return SanaError(
        .fileAccess, message, remedy: "download the missing file", location: path)
    }
  }
}
