internal import WeightFormats

/// `.sana` files made from the small official checkpoints.
public enum ConvertedModels {
  /// Converts a checkpoint of the fixtures into the folder, and returns the file's path.
  public static func make(_ name: String, in directory: TestDirectory) throws -> String {
    let path = directory.path("\(name).sana")
    try CheckpointConversion(OfficialCheckpoint(path: Checkpoints.path(name))).write(to: path)
    return path
  }
}
