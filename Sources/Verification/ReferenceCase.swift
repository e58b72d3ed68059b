internal import SanaEngine
internal import SanaGraph
internal import Support
public import Traces

/// One case of a pipeline's trace: what was asked of PyTorch, and where the answers lie in the file.
public struct ReferenceCase: Hashable, Sendable {
  /// A pass of one sampler over the case's initial latents.
  public struct Run: Hashable, Sendable {
    public enum Sampler: String, Hashable, Sendable, CaseIterable {
      case dpmSolver = "dpm"
      case flowEuler = "euler"
      case consistency = "scm"
    }

    /// Path of the run's group: `case_a/dpm20`.
    public let path: String
    public let sampler: Sampler
    public let steps: Int

    /// `dpm20`
    public var name: String { "\(sampler.rawValue)\(steps)" }
  }

  /// Path of the case's group: `case_a`.
  public let path: String
  public let prompts: [String]
  /// Shared by all prompts; `nil` for pipelines that have none.
  public let negativePrompt: String?
  public let usesInstruction: Bool
  /// Tokens of a caption (`max_sequence_length`).
  public let captionLength: Int
  public let guidanceScale: Double
  /// In pixels.
  public let height: Int
  public let width: Int
  public let seed: UInt64
  /// The runs that the file holds, in the order in which they were recorded.
  public let runs: [Run]

  /// The name that `--case` selects it by: `a` for the group `case_a`.
  public var name: String { String(path.dropFirst(Self.prefix.count)) }

  private static let prefix = "case_"
  private static let captionLengthAttribute = "max_sequence_length"

  /// Reads the description of every case of a trace, ordered by name.
  ///
  /// - Throws: `.tensorMismatch` when the file holds no cases, `.malformedFile` for one whose description makes no sense.
  public static func all(of trace: TraceFile) throws -> [ReferenceCase] {
    let paths = try trace.entries().filter { $0.kind == .group && $0.name.hasPrefix(prefix) }
    guard !paths.isEmpty else {
      throw SanaError(
        .tensorMismatch, "the trace holds no pipeline cases",
        remedy: "name a trace of a whole pipeline", location: trace.path)
    }
    return try paths.map { try ReferenceCase(path: $0.name, of: trace) }
  }

  init(path: String, of trace: TraceFile) throws {
    func malformed(_ what: String) -> SanaError {
      SanaError(
        .malformedFile, "'\(path.abbreviated)' has \(what)", remedy: "record the trace again",
        location: trace.path)
    }
    func count(
      _ name: String, of group: String = path, in range: ClosedRange<Int>
    ) throws -> Int {
      let number = try trace.number(name, of: group)
      guard let value = Int(exactly: number), range.contains(value) else {
        throw malformed("a \(name) of \(number)")
      }
      return value
    }
    self.path = path
    let prompts = try Self.parse(trace.string("prompt", of: path), trace).arrayValue?
      .compactMap(\.stringValue)
    guard let prompts, !prompts.isEmpty, prompts.count <= 1024 else {
      throw malformed("no list of prompts")
    }
    self.prompts = prompts
    negativePrompt =
      try trace.hasAttribute("negative", of: path) ? trace.string("negative", of: path) : nil
    usesInstruction = try trace.number("chi", of: path) != 0
    let text = "\(path)/text"
    let hasLength =
      try trace.contains(text) && trace.hasAttribute(Self.captionLengthAttribute, of: text)
    captionLength =
      try hasLength
      ? count(Self.captionLengthAttribute, of: text, in: 1...1 << 20)
      : PromptPreparation.standardCaptionLength
    guidanceScale = try trace.number("guidance", of: path)
    guard guidanceScale.isFinite else { throw malformed("no finite guidance") }
    height = try count("height", in: 32...16384)
    width = try count("width", in: 32...16384)
    guard height % 32 == 0, width % 32 == 0 else {
      throw malformed("a size of \(width) x \(height) pixels, no multiple of 32")
    }
    seed = UInt64(try count("seed", in: 0...(1 << 52)))
    runs = try Self.runs(Self.parse(trace.string("runs", of: path), trace), path, trace)
  }

  /// The listed runs that are there; a trimmed trace lacks some.
  private static func runs(
    _ list: MetadataValue, _ path: String, _ trace: TraceFile
  ) throws -> [Run] {
    try (list.arrayValue ?? []).compactMap { entry in
      guard let parts = entry.arrayValue, parts.count == 2,
        let sampler = parts[0].stringValue.flatMap(Run.Sampler.init(rawValue:)),
        let steps = parts[1].integerValue, (1...1000).contains(steps)
      else {
        throw SanaError(
          .malformedFile, "'\(path.abbreviated)' lists a run that makes no sense",
          remedy: "record the trace again", location: trace.path)
      }
      let run = Run(path: "\(path)/\(sampler.rawValue)\(steps)", sampler: sampler, steps: steps)
      return trace.contains(run.path) ? run : nil
    }
  }

  private static func parse(_ json: String, _ trace: TraceFile) throws -> MetadataValue {
    try Array(json.utf8).withUnsafeBytes { try JSONParser.parse($0, location: trace.path) }
  }
}
