public import Support

extension OfficialCheckpoint {
  /// What a conversion would say of an adapter that it merges, without converting.
  /// - Throws: as `CheckpointConversion` does of the adapter.
  public func remarks(merging adapter: LowRankAdapter) throws(SanaError) -> [String] {
    try AdapterMerging([adapter], networks: adaptableNetworks).remarks.flatMap(\.self)
  }

  /// The networks that adapters may change.
  var adaptableNetworks: [(kind: ComponentKind, tensors: any CheckpointTensors)] {
    components.filter { $0.kind != .autoencoder }.map { ($0.kind, $0.weights) }
  }
}
