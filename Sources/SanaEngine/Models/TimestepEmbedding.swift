package import SanaGraph

/// A number as a vector: sinusoid of 256 values, linear, SiLU, linear (`Timesteps` and `TimestepEmbedding` of diffusers).
package struct TimestepEmbedding: Sendable {
  private static let sinusoidChannels = 256

  private let path: ModulePath
  private let width: Int
  /// What the values are called: `timestep_embedder`.
  private let name: String

  package init(path: ModulePath, width: Int, name: String) {
    self.path = path
    self.width = width
    self.name = name
  }

  /// - Parameter input: `[steps, 1, 1]`
  /// - Returns: `[steps, 1, width]`
  package func apply(_ input: Value, _ builder: inout GraphBuilder) -> Value {
    let sinusoid = builder.sinusoidalEmbedding(
      input, channels: Self.sinusoidChannels, name: "\(name).in")
    let first = path["linear_1"]
    let hidden = builder.linear(
      sinusoid, weight: first.weight(width, Self.sinusoidChannels), bias: first.bias(width),
      activation: .silu)
    let second = path["linear_2"]
    return builder.linear(
      hidden, weight: second.weight(width, width), bias: second.bias(width), name: name)
  }
}
