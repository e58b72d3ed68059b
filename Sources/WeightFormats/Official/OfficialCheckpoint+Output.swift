extension OfficialCheckpoint {
  /// Refuses to write over a file that belongs to the checkpoint, under whatever name.
  /// - Throws: `.invalidArgument`.
  public func checkIsNoPart(_ output: String) throws(SanaError) {
    guard let target = FileSystem.identity(of: output) else { return }
    let roots = [path, autoencoderPath].compactMap(\.self).map {
      FileSystem.kind(of: $0) == .directory ? $0 : FileSystem.parent(of: $0)
    }
    let folders =
      roots
      + roots.flatMap { root in
        Self.folders.map { FileSystem.join(root, $0) }
      }
    for folder in folders where FileSystem.kind(of: folder) == .directory {
      for name in try FileSystem.names(in: folder)
      where FileSystem.identity(of: FileSystem.join(folder, name)) == target && Self.isPart(name) {
        throw SanaError(
          .invalidArgument, "is a part of the checkpoint", remedy: "choose another output",
          location: output)
      }
    }
  }

  private static var folders: [String] {
    ComponentKind.allCases.map(\.officialFolder) + ["scheduler", "tokenizer", "controlnet"]
  }

  /// A `.sana` file that an earlier conversion put into the folder may be replaced.
  private static func isPart(_ name: String) -> Bool { !name.hasSuffix(".sana") }
}
