public import SanaEngine
internal import SanaGraph
public import WeightFormats

/// What a verification needs of a model. Components that are not there are left out, and the trace's own values are used where
/// the next component needs theirs.
public struct ModelUnderTest: Sendable {
  public struct TextEncoder: Sendable {
    public var configuration: TextEncoderConfiguration
    public var tokenizer: Tokenizer
    public var weights: any WeightSource

    public init(
      configuration: TextEncoderConfiguration, tokenizer: Tokenizer, weights: any WeightSource
    ) {
      self.configuration = configuration
      self.tokenizer = tokenizer
      self.weights = weights
    }
  }

  public struct Transformer: Sendable {
    public var configuration: TransformerConfiguration
    /// Gives the shift or sigma of the samplers.
    public var scheduler: SchedulerConfiguration
    public var weights: any WeightSource

    public init(
      configuration: TransformerConfiguration, scheduler: SchedulerConfiguration,
      weights: any WeightSource
    ) {
      self.configuration = configuration
      self.scheduler = scheduler
      self.weights = weights
    }
  }

  public struct Autoencoder: Sendable {
    public var configuration: AutoencoderConfiguration
    public var weights: any WeightSource

    public init(configuration: AutoencoderConfiguration, weights: any WeightSource) {
      self.configuration = configuration
      self.weights = weights
    }
  }

  public var textEncoder: TextEncoder?
  public var transformer: Transformer?
  public var autoencoder: Autoencoder?

  public init(textEncoder: TextEncoder?, transformer: Transformer?, autoencoder: Autoencoder?) {
    self.textEncoder = textEncoder
    self.transformer = transformer
    self.autoencoder = autoencoder
  }
}
