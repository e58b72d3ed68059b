/// All tensors of one model: one safetensors file, or several with an index that says which tensor is where.
public struct SafetensorsCollection: Sendable {
  /// The files, in the order of their names.
  public let files: [SafetensorsFile]
  private let fileOfTensor: [String: Int]

  /// One file that holds everything.
  public init(file path: String) throws(SanaError) {
    let file = try SafetensorsFile(path: path)
    files = [file]
    fileOfTensor = Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, 0) })
  }

  /// A `*.safetensors.index.json` and the files it names, which lie beside it.
  /// - Throws: `.malformedFile` when index and files do not agree, `.fileAccess` when one is not there.
  public init(index path: String) throws(SanaError) {
    let document = try JSONParser.parse(file: path)
    func malformed(_ message: String) -> SanaError {
      SanaError(
        .malformedFile, message, remedy: "download the index and its files again", location: path)
    }
    guard let map = document["weight_map"]?.members, !map.isEmpty else {
      throw malformed("has no weight_map")
    }
    var namesOfFile: [String: [String]] = [:]
    for member in map {
      guard let file = member.value.stringValue else {
        throw malformed("does not name a file for the tensor '\(member.name.abbreviated)'")
      }
      guard !file.isEmpty, !file.contains("/"), file.hasSuffix(".safetensors") else {
        throw malformed("names '\(file.abbreviated)', which is no safetensors file beside it")
      }
      namesOfFile[file, default: []].append(member.name)
    }
    let directory = FileSystem.parent(of: path)
    var files: [SafetensorsFile] = []
    var fileOfTensor: [String: Int] = [:]
    for (fileName, names) in namesOfFile.sorted(by: { $0.key < $1.key }) {
      let filePath = FileSystem.join(directory, fileName)
      guard FileSystem.kind(of: filePath) != nil else {
        throw SanaError(
          .fileAccess, "names the file '\(fileName.abbreviated)', which is missing",
          remedy: "download the missing file", location: path)
      }
      let file = try SafetensorsFile(path: filePath)
      for name in names {
        guard file.tensor(named: name) != nil else {
          throw malformed(
            "says that '\(fileName.abbreviated)' holds the tensor '\(name.abbreviated)', which it does not"
          )
        }
        fileOfTensor[name] = files.count
      }
      let listed = Set(names)
      if let extra = file.tensors.first(where: { !listed.contains($0.name) }) {
        throw malformed(
          "does not list the tensor '\(extra.name.abbreviated)' of '\(fileName.abbreviated)'")
      }
      files.append(file)
    }
    self.files = files
    self.fileOfTensor = fileOfTensor
  }

  /// Every tensor, in no particular order.
  public var tensors: [SafetensorsTensor] { files.flatMap(\.tensors) }

  public func tensor(named name: String) -> SafetensorsTensor? {
    file(of: name)?.tensor(named: name)
  }

  /// The file that holds a tensor.
  func file(of name: String) -> SafetensorsFile? { fileOfTensor[name].map { files[$0] } }

  /// The tensor's bytes, little-endian, not aligned to anything.
  public func bytes(of name: String) -> TensorBytes? {
    fileOfTensor[name].flatMap { files[$0].bytes(of: name) }
  }
}
