package import Support

/// The tensors of a network's files under the names that diffusers and transformers give them,
/// whatever they are called there.
package struct OfficialTensors {
  package let tensors: any CheckpointTensors
  /// Whether the files have NVlabs' names.
  package let hasOriginalNames: Bool
  /// What was done to the names, and what was left out.
  let notices: [String]

  /// - Parameters:
  ///   - files: as they name their tensors.
  ///   - tiesEmbedding: whether a text encoder's embedding table is that of its output layer where
  ///     only that is there.
  /// - Throws: `.unsupported` for adapters, ControlNets, and several networks in one file;
  ///   `.tensorMismatch` where names collide.
  package init(
    _ files: WeightCollection, tiesEmbedding: Bool = true, location: String
  ) throws(SanaError) {
    try Self.checkIsUnadapted(files, location: location)
    var notices = files.notices
    if let name = files.repeatedTensors.first {
      let others = files.repeatedTensors.count - 1
      notices.append(
        "'\(name.abbreviated)' "
          + (others == 0 ? "is" : "and \(others) other tensors are")
          + " in more than one file: the last file's numbers are taken, as the official libraries do"
      )
    }
    var names: [String: String] = [:]
    for tensor in files.tensors { names[tensor.name] = tensor.name }
    for (alias, name) in files.aliases.sorted(by: { $0.key < $1.key }) where names[alias] == nil {
      names[alias] = name
      notices.append("'\(alias.abbreviated)' is read from '\(name.abbreviated)', its other name")
    }
    if let wrapped = try WrappedNames(names.keys.sorted(), location: location) {
      names = wrapped.sourceNames.compactMapValues { names[$0] }
      notices.append(wrapped.notice)
    }
    if let model = LanguageModelNames(names, tiesEmbedding: tiesEmbedding) {
      names = model.sourceNames
      notices += model.notices
    }
    let selection = TensorSelection(files, sourceNames: names)
    let renamed = try RenamedTensors(selection, location: location)
    tensors = renamed ?? selection
    hasOriginalNames = renamed != nil
    self.notices = notices
    if LowRankAdapter.isAdapter(files),
      try ComponentKind(recognizing: tensors, location: location) == nil
    {
      let path = files.sourceFiles.first?.path ?? location
      throw SanaError(
        .invalidArgument, "is a LoRA, not a model",
        remedy:
          "convert the model that it was made for, and merge it with --lora \(path.printablePath)",
        location: path)
    }
  }

  /// Whether they are a network's with an adapter around it
  /// (`peft.tuners.tuners_utils.BaseTunerLayer`).
  static func areAdapted(_ files: WeightCollection) -> Bool { adaptedTensor(of: files) != nil }

  private static func adaptedTensor(of files: WeightCollection) -> CheckpointTensor? {
    files.tensors.first { $0.name.contains(".base_layer.") }
  }

  private static func checkIsUnadapted(
    _ files: WeightCollection, location: String
  ) throws(SanaError) {
    if let inner = adaptedTensor(of: files) {
      throw SanaError(
        .unsupported,
        "holds a network with an adapter around it that is not merged ('\(inner.name.abbreviated)')",
        remedy:
          "merge it (merge_and_unload() of PEFT, or fuse_lora() and unload_lora_weights() of diffusers) and save the result",
        location: location)
    }
  }
}
