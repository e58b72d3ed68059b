internal import Support

/// A `*.index.json`: which of several files holds which tensor.
///
/// As in diffusers and transformers it says which files there are and nothing else: each file's
/// header knows better what is in it.
struct WeightIndex {
  /// The files, relative to the index's folder and never outside of it, in the order in which the
  /// libraries read them.
  let fileNames: [String]

  /// - Throws: `.malformedFile` when it is no such document; `.fileAccess`.
  init(path: String) throws(SanaError) {
    let document = try JSONParser.parse(file: path)
    func malformed(_ message: String) -> SanaError {
      SanaError(
        .malformedFile, message, remedy: "download the index and its files again", location: path)
    }
    guard let map = document["weight_map"]?.members, !map.isEmpty else {
      throw malformed("has no weight_map")
    }
    var names: Set<String> = []
    for member in map {
      guard let name = member.value.stringValue else {
        throw malformed("does not name a file for the tensor '\(member.name.abbreviated)'")
      }
      guard let inside = Self.inside(name) else {
        throw malformed("names '\(name.abbreviated)', which is no file of weights in its folder")
      }
      names.insert(inside)
    }
    fileNames = names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// A path below the folder without `.`, or `nil` for one that leads out of it or is no file of
  /// weights.
  private static func inside(_ name: String) -> String? {
    guard !name.hasPrefix("/"), !name.contains("\0"),
      [".safetensors", ".bin"].contains(where: name.hasSuffix)
    else { return nil }
    let fields = name.split(separator: "/").filter { $0 != "." }
    return fields.contains("..") ? nil : fields.joined(separator: "/")
  }
}
