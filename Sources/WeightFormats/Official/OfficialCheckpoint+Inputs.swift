public import Support

extension OfficialCheckpoint {
  /// The files and folders that a conversion of the checkpoint reads, for `InputFiles`: those of
  /// its weights, and those beside them that describe them.
  public var inputPaths: [String] {
    let weights = components.flatMap { $0.weights.sourceFiles.map(\.path) }
    return [path, autoencoderPath].compactMap(\.self).reduce(weights) { paths, path in
      let isFolder = FileSystem.kind(of: path) == .directory
      let folder = isFolder ? path : FileSystem.parent(of: path)
      return paths + [path] + InputFiles.documents(in: folder)
        + InputFiles.documents(in: FileSystem.join(folder, "../tokenizer"))
    }
  }
}

extension InputFiles {
  /// The files of a folder that describe weights beside them: configurations, indices, tokenizers.
  public static func documents(in folder: String) -> [String] {
    ((try? FileSystem.names(in: folder)) ?? [])
      .filter { name in [".json", ".model", ".jinja"].contains { name.hasSuffix($0) } }
      .map { FileSystem.join(folder, $0) }
  }
}
