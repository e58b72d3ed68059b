/// A stage of a pipeline with how far two models are apart there.
public struct ComparedStage: Sendable {
  /// The name in JSON and CSV: `first_prediction`.
  public let key: String
  /// The name for people.
  public let name: String
  /// `dB`, or none.
  public let unit: String
  public let spread: Spread
}

extension PipelineComparison {
  /// From the prompt to the picture.
  public var stages: [ComparedStage] {
    func decibels(_ key: String, _ name: String, _ spread: Spread) -> ComparedStage {
      ComparedStage(key: key, name: name, unit: "dB", spread: spread)
    }
    var stages = [
      decibels("captions", "captions (text encoder)", captionSpread),
      decibels(
        "first_prediction", "first noise prediction, same captions", firstPredictionSpread),
      decibels("final_latents", "final latents", finalLatentSpread),
      decibels(
        "decoder_psnr", "picture from the same latents, PSNR",
        spread(\.peakSignalToNoiseDecibels, of: \.decoderPicture)),
      decibels("psnr", "picture, PSNR", spread(\.peakSignalToNoiseDecibels)),
      ComparedStage(
        key: "ssim", name: "picture, SSIM", unit: "", spread: spread(\.structuralSimilarity)),
      ComparedStage(
        key: "flip", name: "picture, FLIP", unit: "", spread: spread(\.flip, worse: .higher)),
    ]
    if !seedRulers.isEmpty {
      stages += [
        decibels(
          "other_seed_final_latents", "another seed: final latents",
          Spread(seedRulers.map(\.finalLatents.signalToNoiseDecibels))),
        decibels(
          "other_seed_psnr", "another seed: picture, PSNR",
          Spread(seedRulers.map(\.picture.peakSignalToNoiseDecibels))),
        ComparedStage(
          key: "other_seed_flip", name: "another seed: picture, FLIP", unit: "",
          spread: Spread(seedRulers.map(\.picture.flip), worse: .higher, within: 0...1)),
      ]
    }
    return stages
  }

  /// The first operation of each network whose result is further from the reference's than rounding
  /// in float32 takes it.
  public var firstDivergences: [OperationError] {
    var seen: Set<String> = []
    return operations.filter {
      $0.inherited.signalToNoiseDecibels < ErrorAxis.roundingDecibels
        && seen.insert($0.component.rawValue).inserted
    }
  }
}

extension OperationError {
  /// The encoding and, where products multiply whole numbers, the bits of the activations:
  /// `int8/a8`.
  public var storedAs: String {
    let activations =
      switch testedWeight.activations.planes {
      case 0: ""
      case 1: "/a8"
      default: "/a16"
      }
    return "\(testedWeight.encoding)\(activations)"
  }
}
