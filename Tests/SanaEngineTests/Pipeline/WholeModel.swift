import CPUBackend
import Foundation
import Quantization
import SanaEngine
import TestSupport
import WeightFormats

/// Small models that draw, of every kind of network: what a checkpoint of the fixtures lacks is
/// that of another.
enum WholeModel: String, CaseIterable, Sendable {
  case sana = "sana-tiny"
  case sana15 = "sana15-tiny"
  case sprint = "sprint-tiny"
  case lite = "lite-tiny"
  case demo

  /// Converts the model and encodes it by a recipe, as `sana-quant` does.
  /// - Parameter recipe: nil for the model as it is converted.
  func make(_ recipe: String?, in directory: TestDirectory) throws -> PipelineModel {
    let converted = directory.path("\(rawValue).sana")
    try CheckpointConversion(OfficialCheckpoint(path: checkpoint(in: directory)))
      .write(to: converted)
    guard let recipe else { return try PipelineModel(path: converted) }
    let file = try ModelFile(path: converted)
    let recipeOfName = try Recipe.named(recipe)
    let quantizer = try Quantizer(
      file: file, plan: QuantizationPlan(file, recipe: recipeOfName))
    let reduced = directory.path("\(rawValue)-\(recipe).sana")
    try quantizer.write(
      to: reduced, tool: "test",
      derived: [.textEncoder: instruction(of: file, encoding: recipeOfName.base)])
    return try PipelineModel(path: reduced)
  }

  private func checkpoint(in directory: TestDirectory) throws -> String {
    guard self != .demo else { return Checkpoints.demo }
    let (own, other) = (Checkpoints.url(rawValue), Checkpoints.url(WholeModel.sana.rawValue))
    func holder(of part: String) -> URL {
      FileManager.default.fileExists(atPath: own.appending(path: part).path) ? own : other
    }
    let name = "\(rawValue)-checkpoint"
    // The schedule is the transformer's.
    let transformer = holder(of: "transformer")
    try directory.write(
      Array(Data(contentsOf: transformer.appending(path: "model_index.json"))),
      to: "\(name)/model_index.json")
    try directory.copy(transformer.appending(path: "scheduler"), to: "\(name)/scheduler")
    for part in ["text_encoder", "tokenizer", "transformer", "vae"] {
      try directory.copy(holder(of: part).appending(path: part), to: "\(name)/\(part)")
    }
    return directory.path(name)
  }

  private func instruction(
    of file: ModelFile, encoding: TensorEncoding
  ) throws -> [StoredTensor] {
    let model = try PipelineModel(file)
    let preparation = try PromptPreparation(
      tokenizer: model.tokenizer, instruction: .standard,
      positions: model.textEncoder.maximumPositions)
    return try TextEncoderStage(
      model.textEncoder, source: model.source(for: .textEncoder),
      backend: CPUBackend(precision: .f32)
    ).instructionTensors(of: preparation.instructionTokens(), encoding: encoding)
  }
}
