import CommandLineSupport
import EngineArguments
import SanaEngine
import SanaGraph
import Support

extension Pipeline {
  /// Refuses a run that does not fit the limit; warns of one that may not fit the machine.
  func checkMemory(_ session: ToolSession) throws {
    try checkLimit()
    if let available = ProcessMemory.availableBytes, available < plan.peakBytes {
      session.progress.note(
        "the run needs \(ByteSize(plan.peakBytes)), but only \(ByteSize(available)) of memory are free"
      )
    }
  }

  /// Runs all stages with their progress shown, until the session is cancelled.
  func run(
    _ session: ToolSession,
    onPicture: (Int, LatentPicture) throws -> Void,
    onStageEnd: (PipelineStage, Duration) -> Void
  ) throws {
    context.onProgress = { session.progress.tick() }
    try run { event in
      try session.cancellation.check()
      switch event {
      case .began(let stage, let pictures, let units):
        let isWhole = pictures.count == settings.pictures.count
        session.progress.begin(
          isWhole
            ? stage.rawValue
            : "\(stage.rawValue) \(pictures.upperBound)/\(settings.pictures.count)",
          total: units)
      case .progressed(_, let done): session.progress.update(done)
      case .ended(let stage, let time):
        session.progress.end()
        onStageEnd(stage, time)
      case .picture(let index, let picture): try onPicture(index, picture)
      }
    }
  }
}

extension GenerationSettings {
  /// What a picture's file says about how it was made.
  func pictureTexts(
    _ index: Int, modelPath: String, device: DeviceArguments
  ) -> [(keyword: String, text: String)] {
    let picture = pictures[index]
    let values: MetadataValue = [
      "prompt": .string(prompts[picture.prompt]),
      "negative_prompt": usesGuidance ? .string(negativePrompt) : .null,
      "instruction": .string(instruction.name),
      "seed": .string(String(picture.seed)),
      "width": .integer(Int64(width)),
      "height": .integer(Int64(height)),
      "drawn_width": .integer(Int64(drawnWidth)),
      "drawn_height": .integer(Int64(drawnHeight)),
      "max_sequence_length": .integer(Int64(captionLength)),
      "steps": .integer(Int64(steps)),
      "guidance": .number(Double(guidanceScale)),
      "scheduler": .string(samplerKind.rawValue),
      "precision": .string(device.precision.rawValue),
      "model": .string(modelPath.split(separator: "/").last.map(String.init) ?? modelPath),
    ]
    return [
      ("Software", "sana-run \(Toolchain.version)"),
      ("sana", String(decoding: JSONWriter.write(values), as: UTF8.self)),
    ]
  }
}

extension PromptInstruction {
  fileprivate var name: String {
    switch self {
    case .standard: "default"
    case .none: "none"
    case .custom(let text): text
    }
  }
}
