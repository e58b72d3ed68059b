internal import Support
public import SanaEngine
public import SanaGraph
public import WeightFormats

/// Statistics of a model that nobody gathered any of: some prompts of different kinds, small
/// pictures, few steps.
public enum BuiltInCalibration {
  /// Short and long, of things, people, places, styles and lettering.
  public static let prompts = [
    "a photo of an orange cat asleep on a stack of old books beside a rainy window, soft light, shallow depth of field",
    "portrait of an elderly fisherman with a grey beard and a red knitted hat, harbour in the background, oil painting with visible brush strokes",
    "an isometric illustration of a futuristic city at night, neon signs that say 'open', flying cars, blue and pink palette, highly detailed",
    "a wide mountain valley at sunrise, fog between pine trees, a small wooden cabin with a smoking chimney",
  ]

  /// Gathers statistics into a temporary file beside an output, which takes room on the disk as
  /// long as the result is in use, and has no name from then on.
  /// - Parameters:
  ///   - output: the file that is made with the statistics.
  ///   - rows: of each product's input, at most.
  ///   - budget: what memory the run may take.
  /// - Throws: as `Calibrator`; `.unsupported` for a file that lacks what statistics need.
  public static func gather(
    of file: ModelFile, beside output: String, tool: String, backend: any Backend,
    rows: Int = CalibrationSettings.standardRowCount, budget: MemoryBudget = MemoryBudget(),
    context: RunContext = RunContext(),
    onProgress: Calibrator.ProgressHandler = { _, _, _ in }
  ) throws -> CalibrationFile {
    let calibrator = try Calibrator(
      file, settings: CalibrationSettings(prompts: prompts, rows: rows), backend: backend,
      budget: budget, context: context)
    // Never gets its name.
    let folder = try ReplacementDirectory(path: output + ".statistics")
    return try withExtendedLifetime(folder) {
      let path = FileSystem.join(folder.temporaryPath, "statistics.h5")
      try calibrator.gather(to: path, tool: tool, onProgress: onProgress)
      return try CalibrationFile(path: path)
    }
  }
}
