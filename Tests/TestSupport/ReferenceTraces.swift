public import Foundation
public import Traces

/// PyTorch's traces: the trimmed ones among the fixtures and, where `SANA_REFERENCE` names the reference folder, the full ones.
public enum ReferenceTraces {
  /// The reference folder, if there is one.
  public static var fullDirectory: URL? {
    ProcessInfo.processInfo.environment["SANA_REFERENCE"].map { URL(filePath: $0) }
  }

  /// Every copy of the trace with this name.
  public static func files(_ name: String) throws -> [TraceFile] {
    let folders =
      [Fixtures.directory.appending(path: "traces")]
      + (fullDirectory.map { [$0.appending(path: "goldens")] } ?? [])
    return try folders.map { try TraceFile(path: $0.appending(path: "\(name).h5").path) }
  }

  /// Paths of the cases of a pipeline's trace.
  public static func cases(of trace: TraceFile) throws -> [String] {
    try trace.entries().map(\.name).filter { $0.hasPrefix("case_") }
  }

  /// A recorded run of one sampler: `dpm20` of `case_a`.
  public struct Run: Sendable {
    /// Path of the case.
    public let casePath: String
    public let sampler: String
    public let steps: Int

    public var path: String { "\(casePath)/\(sampler)\(steps)" }
  }

  public static func runs(of trace: TraceFile) throws -> [Run] {
    try cases(of: trace).flatMap { casePath in
      try trace.entries(of: casePath).compactMap { entry in
        let sampler = ["dpm", "euler", "scm"].first { entry.name.hasPrefix($0) }
        guard let sampler, let steps = Int(entry.name.dropFirst(sampler.count)) else { return nil }
        return Run(casePath: casePath, sampler: sampler, steps: steps)
      }
    }
  }
}
