import WeightFormats

extension SchedulerConfiguration {
  /// One line for people.
  var summary: String {
    switch self {
    case .dpmSolver(let flowShift, let timesteps):
      "DPM-Solver++, flow shift \(flowShift), \(timesteps) training steps"
    case .flowEuler(let shift, let timesteps):
      "flow-match Euler, shift \(shift), \(timesteps) training steps"
    case .consistency(let sigmaData, let timesteps):
      "SCM (TrigFlow), sigma data \(sigmaData), \(timesteps) training steps"
    }
  }
}

extension ComponentConfiguration {
  /// One line for people: the class and what tells releases apart.
  var summary: String {
    switch self {
    case .textEncoder(let gemma):
      "Gemma 2, \(gemma.layers) layers of width \(gemma.hiddenSize), "
        + "\(gemma.heads) heads (\(gemma.keyValueHeads) for keys and values), "
        + "\(gemma.vocabularySize) tokens, window \(gemma.slidingWindow)"
    case .transformer(let transformer):
      "Sana transformer, \(transformer.layers) layers of width \(transformer.width), "
        + "\(transformer.heads) heads, captions of width \(transformer.captionChannels), "
        + "\(transformer.inputChannels) channels, sample size \(transformer.sampleSize)"
        + (transformer.normalizesQueriesAndKeys ? ", normalized queries and keys" : "")
        + (transformer.embedsGuidance ? ", embedded guidance" : "")
        + (transformer.positionInterpolationScale == nil ? "" : ", positional embedding")
    case .autoencoder(let autoencoder):
      "DC-AE f\(autoencoder.compression)c\(autoencoder.latentChannels), widths "
        + autoencoder.decoder[autoencoder.outermostDecoderStage...].map { String($0.channels) }
        .joined(separator: "/")
        + (autoencoder.outermostDecoderStage == 0 ? "" : " and an upsampling to the picture")
        + ", scaling factor \(autoencoder.scalingFactor)"
    }
  }
}
