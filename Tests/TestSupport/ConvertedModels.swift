public import WeightFormats

/// `.sana` files made from the small official checkpoints.
public enum ConvertedModels {
  /// Converts a checkpoint of the fixtures into the folder, and returns the file's path.
  /// - Parameter components: all that the checkpoint lists unless given.
  public static func make(
    _ name: String, in directory: TestDirectory, components: Set<ComponentKind>? = nil
  ) throws -> String {
    let path = directory.path("\(name).sana")
    try CheckpointConversion(
      OfficialCheckpoint(path: Checkpoints.path(name), components: components)
    ).write(to: path)
    return path
  }
}
