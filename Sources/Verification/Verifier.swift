public import SanaEngine
public import Traces
public import WeightFormats

/// Replays the runs of a PyTorch trace and compares every value that both sides have.
///
/// Each network is first fed with the trace's own inputs, so that errors of the networks before it do not count; then the whole
/// pipeline runs from the prompt to the picture on what it computed itself. Initial latents and the sampler's noise
/// always come from the trace; that the seed gives them is a comparison of its own.
public final class Verifier {
  public struct Options: Sendable {
    /// Name of the only case to replay.
    public var caseName: String?
    /// Bytes that weights and activations may take together.
    public var memoryLimit: Int?

    public init(caseName: String? = nil, memoryLimit: Int? = nil) {
      self.caseName = caseName
      self.memoryLimit = memoryLimit
    }
  }

  let model: ModelUnderTest
  let reader: TraceReader
  let device: Device
  let checkpoint: () throws -> Void
  var report: VerificationReport

  var trace: TraceFile { reader.trace }

  /// - Parameter checkpoint: called often, between values and steps; what it throws ends the verification.
  private init(
    model: ModelUnderTest, trace: TraceFile, device: Device, bounds: VerificationBounds,
    checkpoint: @escaping () throws -> Void
  ) {
    self.model = model
    self.device = device
    self.checkpoint = checkpoint
    reader = TraceReader(trace: trace)
    report = VerificationReport(bounds: bounds)
  }

  /// Replays a trace.
  ///
  /// - Parameters:
  ///   - progress: called with the name of each part before it begins.
  ///   - cancellation: looked at between values.
  /// - Throws: `.invalidArgument` when there is no such case, `.tensorMismatch` when the trace is of another model, `.memoryLimit`,
  ///   `.cancelled`, and what reading trace or weights throws.
  public static func verify(
    _ model: ModelUnderTest, against trace: TraceFile, on backend: any Backend,
    bounds: VerificationBounds, options: Options = Options(),
    cancellation: CancellationToken = CancellationToken(),
    progress: (String) -> Void = { _ in }
  ) throws -> VerificationReport {
    let all = try ReferenceCase.all(of: trace)
    let cases = all.filter { options.caseName == nil || $0.name == options.caseName }
    guard !cases.isEmpty else {
      throw SanaError(
        .invalidArgument, "the trace has no case '\(options.caseName ?? "")'",
        remedy: "choose one of \(all.map(\.name).joined(separator: ", "))", location: trace.path)
    }
    let verifier = Verifier(
      model: model, trace: trace,
      device: Device(backend: backend, memoryLimit: options.memoryLimit), bounds: bounds,
      checkpoint: { try cancellation.check() })
    for reference in cases { try verifier.replay(reference, progress: progress) }
    return verifier.report
  }

  private func replay(_ reference: ReferenceCase, progress: (String) -> Void) throws {
    progress("\(reference.name): text")
    let captions = try captions(of: reference)
    progress("\(reference.name): denoise")
    let finalLatents = try denoise(reference, captions)
    progress("\(reference.name): decode")
    try decode(reference, finalLatents)
    progress("\(reference.name): encode")
    try encode(reference)
  }

  // MARK: Comparing

  /// Compares an observed value if the trace has a dataset with its name.
  ///
  /// - Parameters:
  ///   - group: path of the group that the dataset lies in.
  ///   - counts: for token sequences, how many tokens of each batch element exist; the trace has padding after them.
  func compare(
    _ name: String, _ tensor: HostTensor, in group: String, _ kind: ComparedValue.Kind,
    counts: [Int]? = nil
  ) throws {
    try checkpoint()
    let path = "\(group)/\(name)"
    guard trace.contains(path) else { return }
    let expected = try trace.floats(path)
    var comparison = Comparison()
    if let counts {
      try addTokens(of: expected, tensor, counts, path, to: &comparison)
    } else if expected.shape.count == 4 {
      try reader.check(expected.shape, tensor.shape.channelsFirst, path)
      try comparison.add(reference: expected.values, result: tensor.channelsFirstValues)
    } else {
      let shape = tensor.shape
      let vector = [shape.batch, shape.channels]
      let sequence = [shape.batch, shape.positions, shape.channels]
      let expects = expected.shape.count == 2 && shape.positions == 1 ? vector : sequence
      try reader.check(expected.shape, expects, path)
      try comparison.add(reference: expected.values, result: tensor.values)
    }
    report.add(ComparedValue(name: path, kind: kind, comparison: comparison))
  }

  /// Compares the tokens that exist: the first `counts[b]` of batch element b.
  func addTokens(
    of expected: TraceArray<Float>, _ tensor: HostTensor, _ counts: [Int], _ path: String,
    to comparison: inout Comparison
  ) throws {
    let channels = tensor.shape.channels
    guard expected.shape.count == 3, expected.shape[1] >= counts.max() ?? 0 else {
      throw reader.mismatch("'\(path)' has shape \(expected.shape), too short for the prompt")
    }
    try reader.check(expected.shape, [counts.count, expected.shape[1], channels], path)
    let values = tensor.values
    for (element, count) in counts.enumerated() {
      let start = element * tensor.shape.positions * channels
      try comparison.add(
        reference: Array(expected[element].values[..<(count * channels)]),
        result: Array(values[start..<start + count * channels]))
    }
  }

  func add(
    _ name: String, _ kind: ComparedValue.Kind, reference: [Float], result: [Float]
  ) throws {
    let comparison = try Comparison(reference: reference, result: result)
    report.add(ComparedValue(name: name, kind: kind, comparison: comparison))
  }
}
