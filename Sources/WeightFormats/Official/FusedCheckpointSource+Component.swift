public import Support

extension FusedCheckpointSource {
  /// The tensors that a network of a checkpoint becomes.
  /// - Throws: `.tensorMismatch` when its tensors are not those of its configuration.
  public init(_ component: OfficialComponent) throws(SanaError) {
    try self.init(component.weights, configuration: component.configuration)
  }
}
