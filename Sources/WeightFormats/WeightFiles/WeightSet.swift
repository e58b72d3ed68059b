internal import Support

/// Files of one folder that belong together: all weights of a network, or what is left of them.
struct WeightSet {
  enum Form: Hashable {
    /// A file of any name, which the configuration names.
    case named
    case single
    /// Several files, and an index that names them.
    case indexed
    /// Several files whose numbers alone say that they belong together.
    case parts(count: Int)
  }

  /// What keeps a set from being read.
  enum Fault {
    case missing(String)
    /// A link, and what it names.
    case dangling(String, target: String)
    /// The index cannot be read.
    case index(SanaError)
  }

  let directory: String
  let stem: WeightFileStem
  let variant: String?
  let form: Form
  /// Whether the names are of the first generation (`WeightFileName`).
  let isLegacy: Bool
  /// The single file, the index, or the first part.
  let name: String
  /// Names of the files that hold tensors, in the order in which the libraries read them; of two
  /// that hold a tensor of one name, the last counts.
  let fileNames: [String]
  let fault: Fault?

  var paths: [String] { fileNames.map { FileSystem.join(directory, $0) } }

  /// For messages: what it is.
  var label: String {
    switch form {
    case .named, .single, .indexed: name.abbreviated
    case .parts(let count): "\(name.abbreviated) with the \(count - 1) other parts"
    }
  }

  /// The sets in a folder, in no particular order.
  static func all(in directory: String) throws(SanaError) -> [WeightSet] {
    let names = try FileSystem.names(in: directory).compactMap { WeightFileName($0) }
      .filter { FileSystem.kind(of: FileSystem.join(directory, $0.text)) != .directory }
    var sets: [WeightSet] = []
    for name in names {
      switch name.role {
      case .whole: sets.append(WeightSet(single: name, in: directory))
      case .index: sets.append(WeightSet(index: name, in: directory))
      case .part: break
      }
    }
    let indexed = Set(sets.flatMap(\.fileNames))
    for parts in groups(of: names) where !parts.allSatisfy({ indexed.contains($0.text) }) {
      sets.append(WeightSet(parts: parts, in: directory))
    }
    return sets
  }

  /// Parts of one set, by number.
  private static func groups(of names: [WeightFileName]) -> [[WeightFileName]] {
    struct Key: Hashable {
      let stem: WeightFileStem
      let variant: String?
      let isLegacy: Bool
      let count: Int
    }
    var groups: [Key: [Int: WeightFileName]] = [:]
    for name in names {
      guard case .part(let part) = name.role else { continue }
      let key = Key(
        stem: name.stem, variant: name.variant, isLegacy: name.isLegacy, count: part.count)
      groups[key, default: [:]][part.number] = name
    }
    return groups.values.map { group in group.sorted { $0.key < $1.key }.map(\.value) }
  }

  private init(single name: WeightFileName, in directory: String) {
    self.init(name, .single, in: directory, fileNames: [name.text])
  }

  private init(index name: WeightFileName, in directory: String) {
    let path = FileSystem.join(directory, name.text)
    do throws(SanaError) {
      if let target = FileSystem.danglingTarget(of: path) {
        self.init(
          name, .indexed, in: directory, fileNames: [],
          fault: .dangling(name.text, target: target))
      } else {
        self.init(
          name, .indexed, in: directory, fileNames: try WeightIndex(path: path).fileNames)
      }
    } catch {
      self.init(name, .indexed, in: directory, fileNames: [], fault: .index(error))
    }
  }

  /// - Parameter names: at least one, of one set.
  private init(parts names: [WeightFileName], in directory: String) {
    let first = names[0]
    var fileNames: [String] = []
    var count = 0
    if case .part(let part) = first.role { count = part.count }
    var present: [Int: String] = [:]
    for name in names {
      if case .part(let part) = name.role { present[part.number] = name.text }
    }
    for number in 1...max(count, 1) {
      fileNames.append(present[number] ?? first.name(ofPart: number) ?? first.text)
    }
    self.init(first, .parts(count: count), in: directory, fileNames: fileNames)
  }

  /// The set that a file named in a configuration stands for: weights, or an index.
  init(named text: String, stem: WeightFileStem, in directory: String) throws(SanaError) {
    let path = FileSystem.join(directory, text)
    self.directory = directory
    self.stem = stem
    variant = nil
    isLegacy = false
    form = .named
    name = text
    fileNames =
      text.hasSuffix(".json") && FileSystem.kind(of: path) == .file
      ? try WeightIndex(path: path).fileNames : [text]
    fault = Self.fault(of: fileNames, in: directory)
  }

  private init(
    _ name: WeightFileName, _ form: Form, in directory: String, fileNames: [String],
    fault: Fault? = nil
  ) {
    self.directory = directory
    stem = name.stem
    variant = name.variant
    self.form = form
    isLegacy = name.isLegacy
    self.name = name.text
    self.fileNames = fileNames
    self.fault = fault ?? Self.fault(of: fileNames, in: directory)
  }

  private static func fault(of fileNames: [String], in directory: String) -> Fault? {
    for name in fileNames {
      let path = FileSystem.join(directory, name)
      if let target = FileSystem.danglingTarget(of: path) {
        return .dangling(name, target: target)
      }
      if FileSystem.kind(of: path) == nil { return .missing(name) }
    }
    return nil
  }
}
