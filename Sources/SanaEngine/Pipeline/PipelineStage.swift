internal import SanaGraph
internal import SanaModels

/// The parts of a picture's making. Each has its own network, whose weights are released when the part is done.
public enum PipelineStage: String, Hashable, Sendable, CaseIterable {
  /// Prompts to captions, by the text encoder.
  case text
  /// Noise to latents, by the transformer.
  case denoise
  /// Latents to pictures, by the autoencoder.
  case decode
}
