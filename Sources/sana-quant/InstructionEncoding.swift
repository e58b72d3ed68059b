import CommandLineSupport
import SanaEngine
import SanaGraph
import Support
import WeightFormats

/// What `sana-quant` computes beside coding weights: the text encoder's keys and values of the instruction that stands before every prompt,
/// so that no run need compute them.
struct InstructionEncoding {
  let file: ModelFile
  /// Of keys and values.
  let encoding: TensorEncoding

  /// From the weights as they are before they are quantized, in f32.
  /// - Returns: tensors for the text encoder's component; none where the model has no text encoder, or one that cannot be run, of which a note is
  ///   printed.
  func tensors(_ session: ToolSession) throws -> [StoredTensor] {
    guard file.components.contains(where: { $0.kind == .textEncoder }),
      case .textEncoder(let configuration) = try file.configuration(of: .textEncoder)
    else { return [] }
    session.progress.begin("encode the instruction")
    let backend = try DeviceSelection.cpu.makeBackend(precision: .f32, threads: nil)
    let context = RunContext(
      cancellation: session.cancellation, onProgress: { session.progress.tick() })
    do {
      let source = try file.source(for: .textEncoder)
      let preparation = try PromptPreparation(
        tokenizer: Tokenizer(besides: source), instruction: .standard,
        positions: configuration.maximumPositions)
      let stage = try TextEncoderStage(
        configuration, source: source, backend: backend, context: context)
      return try stage.instructionTensors(of: preparation.instructionTokens(), encoding: encoding)
    } catch let error as SanaError where error.isOfTheModel {
      session.progress.note(
        "the instruction is not encoded ahead, and every run will: \(error.message)")
      return []
    }
  }
}
