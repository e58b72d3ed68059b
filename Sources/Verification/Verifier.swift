internal import SanaEngine
public import SanaGraph
public import Support
public import Traces

/// Replays the runs of a PyTorch trace and compares every value that both sides have.
///
/// Each network is first fed with the trace's own inputs, so that errors of the networks before it do not count; then the whole
/// pipeline runs from the prompt to the picture on what it computed itself. Initial latents and the sampler's noise
/// always come from the trace; that the seed gives them is a comparison of its own.
public final class Verifier {
  public struct Options: Sendable {
    /// Name of the only case to replay.
    public var caseName: String?
    /// Bytes that the weights of one component and the activations of one graph may take together.
    public var memoryLimit: Int?

    public init(caseName: String? = nil, memoryLimit: Int? = nil) {
      self.caseName = caseName
      self.memoryLimit = memoryLimit
    }
  }

  let model: ModelUnderTest
  let reader: TraceReader
  let backend: any Backend
  let cancellation: CancellationToken
  var report: VerificationReport

  var trace: TraceFile { reader.trace }

  private init(
    model: ModelUnderTest, trace: TraceFile, backend: any Backend, bounds: VerificationBounds,
    cancellation: CancellationToken
  ) {
    self.model = model
    self.backend = backend
    self.cancellation = cancellation
    reader = TraceReader(trace: trace)
    report = VerificationReport(bounds: bounds)
  }

  /// Replays a trace.
  ///
  /// - Parameters:
  ///   - cancellation: looked at between values.
  ///   - progress: called with the name of each part before it begins.
  /// - Throws: `.invalidArgument` when there is no such case, `.tensorMismatch` when the trace is of another model, `.memoryLimit`,
  ///   `.cancelled`, `.numericalFailure`, and what reading trace or weights throws.
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
    backend.ledger.limit = options.memoryLimit
    let verifier = Verifier(
      model: model, trace: trace, backend: backend, bounds: bounds, cancellation: cancellation)
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

  func add(
    _ name: String, _ kind: ComparedValue.Kind, reference: [Float], result: [Float]
  ) throws {
    add(name, kind, try Comparison(reference: reference, result: result))
  }

  func add(_ name: String, _ kind: ComparedValue.Kind, _ comparison: Comparison) {
    report.add(ComparedValue(name: name, kind: kind, comparison: comparison))
  }

  /// Compares an observed value if the trace has a dataset with its name. PyTorch's images are `[batch, channels, height, width]`, its
  /// sequences `[batch, tokens, channels]`, its vectors `[batch, channels]`.
  ///
  /// - Parameter group: path of the group that the dataset lies in.
  func compare(_ name: String, _ tensor: HostTensor, in group: String) throws {
    try cancellation.check()
    let path = "\(group)/\(name)"
    guard trace.contains(path) else { return }
    let expected = try trace.floats(path)
    let shape = tensor.shape
    switch expected.shape.count {
    case 4:
      try reader.check(expected.shape, shape.channelsFirst, path)
      try add(
        path, .forwardPass, reference: expected.values, result: tensor.channelsFirstValues)
    case 2:
      // A vector that depends on the step only is the same for the whole batch, and computed once.
      let batch = shape.batch == 1 ? expected.shape[0] : shape.batch
      try reader.check(expected.shape, [batch, shape.positions * shape.channels], path)
      try add(
        path, .forwardPass, reference: expected.values,
        result: Array((0..<batch / shape.batch).map { _ in tensor.values }.joined()))
    default:
      try reader.check(expected.shape, [shape.batch, shape.positions, shape.channels], path)
      try add(path, .forwardPass, reference: expected.values, result: tensor.values)
    }
  }

  /// Compares the tokens that exist with the first of the trace's, which has padding after them.
  ///
  /// - Parameters:
  ///   - expected: `[tokens, channels]`, at least as many as exist.
  ///   - result: the existing tokens' numbers; what follows them is ignored.
  func addTokens(
    _ expected: TraceArray<Float>, _ result: ArraySlice<Float>, count: Int, channels: Int,
    to comparison: inout Comparison, _ path: String
  ) throws {
    guard expected.shape.count == 2, expected.shape[0] >= count, expected.shape[1] == channels
    else {
      throw reader.mismatch(
        "'\(path.abbreviated)' has shape \(expected.shape), the model makes \([count, channels])")
    }
    try comparison.add(
      reference: Array(expected.values.prefix(count * channels)),
      result: Array(result.prefix(count * channels)))
  }
}
