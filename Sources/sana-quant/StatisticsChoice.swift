import Calibration
import CommandLineSupport
import Quantization
import SanaEngine
import SanaGraph
import Support
import WeightFormats

/// Where a quantization takes what products multiply from: a file, or pictures that it draws
/// itself.
struct StatisticsChoice {
  /// Memory that the pictures may take: quantizing is for machines that the model is too large for.
  private static let memoryLimit = 3 << 29

  let file: ModelFile
  let plan: QuantizationPlan
  let method: QuantizationMethod
  /// A file of statistics.
  let path: String?
  /// The file that is made.
  let output: String

  /// - Returns: `nil` where nothing asks for statistics, or none can be gathered, of which a note
  ///   is printed.
  /// - Throws: `.invalidArgument` for a file that nothing asks for; what reading it throws;
  ///   `.cancelled`.
  func statistics(_ session: ToolSession) throws -> (any InputStatistics)? {
    guard method.usesStatistics, plan.canUseStatistics else {
      guard path == nil else {
        throw SanaError(
          .invalidArgument, "neither recipe nor method uses statistics",
          remedy: "leave --calibration out, or choose another method")
      }
      return nil
    }
    if let path {
      let statistics = try CalibrationFile(path: path)
      if let note = try statistics.check(fits: file) { session.progress.note(note) }
      return statistics
    }
    do {
      let backend = try DeviceSelection.cpu.makeBackend(precision: .auto, threads: nil)
      let statistics = try BuiltInCalibration.gather(
        of: file, beside: output, tool: "sana-quant \(Toolchain.version)", backend: backend,
        budget: MemoryBudget(limit: Self.memoryLimit, programBytes: ProcessMemory.programBytes),
        context: RunContext(
          cancellation: session.cancellation, onProgress: { session.progress.tick() }),
        onProgress: session.show)
      session.progress.end()
      return statistics
    } catch let error as SanaError where error.isOfTheModel {
      session.progress.note(
        "no statistics can be gathered, and codes are found without: \(error.message)")
      return nil
    }
  }
}
