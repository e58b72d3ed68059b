internal import SanaEngine
public import Support
internal import Traces
internal import WeightFormats

extension PipelineComparison {
  /// All numbers: `models`, `stages` with means, intervals and worst values, `samples` one by one,
  /// `rulers`, `operations`, `offenders`, `gates`, `passed`. Decibels are `null` where what was
  /// compared is equal.
  public var json: MetadataValue {
    [
      "passed": .bool(passed),
      "models": ["reference": reference.json, "variant": tested.json],
      "settings": settingsJSON,
      "gates": .array(gates.map(\.json)),
      "stages": .object(stages.map { .init($0.key, $0.spread.json) }),
      "captions": .array(captions.map(\.json)),
      "samples": .array(samples.map(json)),
      "rulers": ["other_seed": .array(seedRulers.map(json))],
      "operations_run_on": .array(operationNotes.map(MetadataValue.string)),
      "operations": .array(operations.map(\.json)),
      "offenders": .array(offenders.map(\.json)),
    ]
  }

  private var settingsJSON: MetadataValue {
    [
      "prompts": .array(prompts.map(MetadataValue.string)),
      "width": .integer(Int64(settings.width)),
      "height": .integer(Int64(settings.height)),
      "steps": .integer(Int64(settings.steps)),
      "guidance": .number(Double(settings.guidanceScale)),
      "scheduler": .string(settings.samplerKind.rawValue),
    ]
  }

  private func json(_ sample: Sample) -> MetadataValue {
    [
      "prompt": .integer(Int64(sample.prompt)),
      "seed": .string(String(sample.seed)),
      "first_prediction": sample.firstPrediction.json,
      "steps_snr_db": .array(sample.steps.map { .decibels($0.signalToNoiseDecibels) }),
      "final_latents": sample.finalLatents.json,
      "decoder_picture": sample.decoderPicture.json,
      "picture": sample.picture.json,
    ]
  }

  private func json(_ ruler: SeedRuler) -> MetadataValue {
    [
      "prompt": .integer(Int64(ruler.prompt)), "final_latents": ruler.finalLatents.json,
      "picture": ruler.picture.json,
    ]
  }
}

extension MetadataValue {
  /// `null` for equal tensors, -300 for broken ones.
  static func decibels(_ ratio: Double) -> MetadataValue {
    ratio == .infinity ? .null : .number(max(ratio, -300))
  }

  /// Cut at the largest number that JSON has.
  fileprivate static func error(_ error: Double) -> MetadataValue {
    .number(min(error, .greatestFiniteMagnitude))
  }
}

extension PipelineComparison.Model {
  fileprivate var json: MetadataValue {
    [
      "path": .string(path), "sha256": .string(digest), "bytes": .integer(Int64(byteCount)),
      "recipe": recipe.map(MetadataValue.string) ?? .null, "precision": .string(precision),
    ]
  }
}

extension Spread {
  var json: MetadataValue {
    [
      "count": .integer(Int64(count)), "equal": .integer(Int64(equalCount)),
      "mean": mean.map { .decibels($0) } ?? .null,
      "low": interval.map { .number($0.lowerBound) } ?? .null,
      "high": interval.map { .number($0.upperBound) } ?? .null,
      "worst": worst.map { .decibels($0) } ?? .null,
    ]
  }
}

extension Comparison {
  fileprivate var json: MetadataValue {
    [
      "snr_db": .decibels(signalToNoiseDecibels), "cosine": .number(cosine),
      "max_abs_error": .error(maximumAbsoluteError),
    ]
  }
}

extension PictureDistance {
  fileprivate var json: MetadataValue {
    [
      "psnr_db": .decibels(peakSignalToNoiseDecibels), "ssim": .number(structuralSimilarity),
      "flip": .number(flip), "max_abs_error": .integer(Int64(maximumError)),
    ]
  }
}

extension QualityGate {
  fileprivate var json: MetadataValue {
    [
      "measure": .string(measure.rawValue), "minimum_db": .number(minimumDecibels),
      "worst_db": .decibels(worstDecibels), "passed": .bool(passed),
    ]
  }
}

extension ErrorStatistics {
  fileprivate var json: MetadataValue {
    [
      "snr_db": .decibels(signalToNoiseDecibels), "spread": spread.json,
      "cosine": .number(comparison.cosine),
      "max_abs_error": .error(comparison.maximumAbsoluteError),
      "p50": .error(relativeQuantile(0.5)), "p99": .error(relativeQuantile(0.99)),
      "p999": .error(relativeQuantile(0.999)),
    ]
  }
}

extension OperationError {
  fileprivate var json: MetadataValue {
    [
      "name": .string("\(component.rawValue)/\(weight)"), "operation": .string(kind),
      "reference_encoding": .string("\(referenceWeight.encoding)"),
      "encoding": .string(storedAs), "own": own.json, "inherited": inherited.json,
    ]
  }
}

extension Offender {
  fileprivate var json: MetadataValue {
    [
      "name": .string("\(operation.component.rawValue)/\(operation.weight)"),
      "rule": .string(operation.rule), "gain_db": gainDecibels.map { .decibels($0) } ?? .null,
      "own_snr_db": .decibels(operation.own.signalToNoiseDecibels),
      "added_bytes": .integer(Int64(operation.protectionBytes)),
      "added_seconds": .number(addedTime.seconds),
    ]
  }
}
