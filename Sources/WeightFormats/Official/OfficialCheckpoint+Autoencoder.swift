public import Support

extension OfficialCheckpoint {
  /// A checkpoint with another autoencoder in the place of its own, or beside networks that have
  /// none.
  /// - Parameters:
  ///   - path: as for any checkpoint; an autoencoder of its own need not be there.
  ///   - autoencoder: a pipeline's folder, an autoencoder's, or a file of weights.
  ///   - variant: which weights to prefer, also of the other autoencoder.
  ///   - kinds: the components wanted, the autoencoder among them; `nil` for all there are.
  /// - Throws: what opening either throws; `.invalidArgument` when nothing of the checkpoint would
  ///   be left; `.invalidConfiguration` when the autoencoder makes other latents than the
  ///   checkpoint's networks take.
  public init(
    path: String, autoencoder autoencoderPath: String, variant: String? = nil,
    components kinds: Set<ComponentKind>? = nil, state: StateSelection? = nil
  ) throws(SanaError) {
    if let kinds, !kinds.contains(.autoencoder) {
      throw SanaError(
        .invalidArgument, "is given for --autoencoder, but --components leaves the autoencoder out",
        remedy: "drop --autoencoder, or add autoencoder to --components", location: autoencoderPath)
    }
    var kept = kinds
    if kept == nil { kept = try Self.listedKinds(in: path) }
    kept?.remove(.autoencoder)
    let nothingElse = SanaError(
      .invalidArgument, "is nothing but an autoencoder, for which --autoencoder names another",
      remedy: "convert \(autoencoderPath.abbreviated) by itself", location: path)
    if kept?.isEmpty == true { throw nothingElse }
    try self.init(path: path, variant: variant, components: kept, state: state)
    guard !components.contains(where: { $0.kind == .autoencoder }) else { throw nothingElse }
    let replacement = try OfficialCheckpoint(autoencoder: autoencoderPath, variant: variant)
    try check(replacement, at: autoencoderPath)
    take(replacement)
  }

  /// The networks that a pipeline's index lists; `nil` for what is no pipeline.
  private static func listedKinds(in path: String) throws(SanaError) -> Set<ComponentKind>? {
    let indexPath = FileSystem.join(path, "model_index.json")
    guard FileSystem.kind(of: indexPath) == .file else { return nil }
    let names = PipelineClass.parts(of: try JSONParser.parse(file: indexPath)).map(\.name)
    return Set(ComponentKind.allCases.filter { names.contains($0.officialFolder) })
  }

  /// The autoencoder alone of what the path names.
  private init(autoencoder path: String, variant: String?) throws(SanaError) {
    let isPipeline = FileSystem.kind(of: FileSystem.join(path, "model_index.json")) == .file
    let folder = isPipeline ? FileSystem.join(path, ComponentKind.autoencoder.officialFolder) : path
    // Its plain files do where it has no variant, as among the components of a pipeline.
    let variants =
      FileSystem.kind(of: folder) == .directory ? try WeightFiles.variants(in: folder) : []
    try self.init(
      path: path, variant: variants.first { $0 == variant },
      components: isPipeline ? [.autoencoder] : nil)
    guard components.map(\.kind) == [.autoencoder] else {
      throw SanaError(
        .invalidArgument,
        "holds a \(components.map(\.kind.rawValue).joined(separator: ", ")), not an autoencoder",
        remedy: "name an autoencoder's folder or file for --autoencoder", location: path)
    }
  }

  /// Refuses an autoencoder whose latents are not those of the networks around it.
  private func check(
    _ replacement: OfficialCheckpoint, at location: String
  ) throws(SanaError) {
    guard case .autoencoder(let new)? = replacement.components.first?.configuration else { return }
    func refuse(_ what: String, _ ours: String, _ theirs: String, of place: String) -> SanaError {
      SanaError(
        .invalidConfiguration, "\(what) \(ours), but \(place) \(theirs)",
        remedy:
          "use an autoencoder of the same latents, as DC-AE f32c32 and its lighter decoder are",
        location: location)
    }
    for component in components {
      guard case .transformer(let transformer) = component.configuration,
        transformer.inputChannels != new.latentChannels
      else { continue }
      throw refuse(
        "has latents of", "\(new.latentChannels) channels",
        "takes \(transformer.inputChannels)", of: "the transformer of \(path.abbreviated)")
    }
    // The autoencoder that the transformer was trained with tells the rest, where it is there.
    let ownPath = FileSystem.join(
      FileSystem.join(path, ComponentKind.autoencoder.officialFolder), "config.json")
    guard FileSystem.kind(of: ownPath) == .file,
      let document = try? JSONParser.parse(file: ownPath),
      let own = try? AutoencoderConfiguration(official: document, location: ownPath)
    else { return }
    let place = "\(ownPath.abbreviated), in whose place it is put,"
    if own.latentChannels != new.latentChannels {
      throw refuse(
        "has latents of", "\(new.latentChannels) channels", "of \(own.latentChannels)", of: place)
    }
    if own.scalingFactor != new.scalingFactor {
      throw refuse(
        "has the scaling factor", "\(new.scalingFactor)", "\(own.scalingFactor)", of: place)
    }
    if own.compression != new.compression {
      throw refuse(
        "has", "\(new.compression) pixels a side for a latent", "\(own.compression)", of: place)
    }
  }

  private mutating func take(_ replacement: OfficialCheckpoint) {
    components += replacement.components
    autoencoderPath = replacement.path
    if let members = modelIndex?.members {
      let entry = MetadataValue.Member(
        ComponentKind.autoencoder.officialFolder,
        ["diffusers", .string(ComponentKind.autoencoder.officialClass)])
      let isListed = members.contains { $0.name == entry.name }
      modelIndex = .object(
        isListed ? members.map { $0.name == entry.name ? entry : $0 } : members + [entry])
    }
    licences += replacement.licences.map {
      OfficialDocument(name: "autoencoder-\($0.name)", contents: $0.contents)
    }
    notices += replacement.notices
  }
}
