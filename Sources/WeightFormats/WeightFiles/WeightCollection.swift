package import Support

/// All tensors of one network as its files name them: one safetensors or torch file, or several.
package struct WeightCollection: CheckpointTensors {
  private let files: [any CheckpointTensors]
  private let fileOfTensor: [String: Int]
  /// Other names of tensors, as `safetensors.torch.save_model` notes them where two names have one
  /// storage.
  package let aliases: [String: String]
  /// Tensors that more than one file holds: the last file's counts, as in diffusers and
  /// transformers.
  package let repeatedTensors: [String]

  /// - Parameters:
  ///   - paths: in the order in which they are read.
  ///   - state: which of a torch file's dictionaries is wanted.
  /// - Throws: what opening a safetensors or torch file throws; `.invalidArgument` for a state of
  ///   files that have none.
  package init(paths: [String], state: StateSelection? = nil) throws(SanaError) {
    var files: [any CheckpointTensors] = []
    var fileOfTensor: [String: Int] = [:]
    var repeated: [String] = []
    var aliases: [String: String] = [:]
    for path in paths {
      let file: any CheckpointTensors
      if try TorchFile.isTorchFile(path) {
        file = try TorchFile(path: path, selection: state)
      } else {
        let safetensors = try SafetensorsFile(path: path)
        if state != nil { throw WeightFiles.stateWithoutTorchFile(path) }
        aliases.merge(safetensors.aliases) { _, last in last }
        file = safetensors
      }
      for tensor in file.tensors
      where fileOfTensor.updateValue(files.count, forKey: tensor.name) != nil {
        repeated.append(tensor.name)
      }
      files.append(file)
    }
    self.files = files
    self.fileOfTensor = fileOfTensor
    self.aliases = aliases
    repeatedTensors = repeated.sorted()
  }

  /// What the files say beside their tensors.
  var metadata: [String: String] {
    files.reduce(into: [:]) { all, file in
      all.merge((file as? SafetensorsFile)?.metadata ?? [:]) { _, last in last }
    }
  }

  package var isTorch: Bool { files.contains { $0 is TorchFile } }

  /// The one torch file that holds everything.
  var torchFile: TorchFile? { files.count == 1 ? files[0] as? TorchFile : nil }

  /// What there is to say about the states that were not taken from torch files.
  var notices: [String] {
    files.compactMap { file in
      guard let torch = file as? TorchFile, let notice = torch.notice else { return nil }
      return "\(FileSystem.name(of: torch.path).abbreviated): \(notice)"
    }
  }

  package var sourceFiles: [SourceFile] { files.flatMap(\.sourceFiles) }

  package var tensors: [CheckpointTensor] {
    files.enumerated().flatMap { index, file in
      file.tensors.filter { fileOfTensor[$0.name] == index }
    }
  }

  package func tensor(named name: String) -> CheckpointTensor? {
    fileOfTensor[name].flatMap { files[$0].tensor(named: name) }
  }

  package func origin(of name: String) -> TensorOrigin? {
    fileOfTensor[name].flatMap { files[$0].origin(of: name) }
  }

  package func elements(of name: String) throws -> TensorElements? {
    try fileOfTensor[name].flatMap { try files[$0].elements(of: name) }
  }
}
