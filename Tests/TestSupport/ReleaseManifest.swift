internal import Foundation
public import Support
public import WeightFormats

/// The list of everything that an official release holds, from the reference folder's `manifests`.
public struct ReleaseManifest: Sendable {
  public struct Component: Sendable {
    public let folder: String
    public let className: String
    public let configuration: MetadataValue
    /// The plain files and their tensors, in the order of the shards.
    public let files: [(name: String, tensors: [CheckpointTensor])]
    /// The variants by name: the type of the numbers, and the file.
    public let variants: [(name: String, type: ScalarType, file: String)]

    public var tensors: [CheckpointTensor] { files.flatMap(\.tensors) }
    /// What index files and plain files are named after.
    public var base: String {
      folder == "text_encoder" ? "model" : "diffusion_pytorch_model"
    }
  }

  public let name: String
  /// Null for a release of one component.
  public let modelIndex: MetadataValue
  public let scheduler: MetadataValue
  public let components: [Component]

  /// Every manifest of the reference folder; none where `SANA_REFERENCE` names no folder.
  public static var all: [ReleaseManifest] {
    guard let folder = ReferenceTraces.fullDirectory?.appending(path: "manifests").path else {
      return []
    }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter { $0.hasSuffix(".json") && !$0.hasPrefix("pth") }.sorted()
      .compactMap { try? ReleaseManifest(path: "\(folder)/\($0)") }
  }

  private struct Malformed: Error {}

  private init(path: String) throws {
    let document = try JSONParser.parse(file: path)
    func need<Value>(_ value: Value?) throws -> Value {
      guard let value else { throw Malformed() }
      return value
    }
    name = try need(document["release"]?.stringValue)
    modelIndex = try need(document["model_index"])
    scheduler = try need(document["scheduler"])
    components = try need(document["components"]?.members).map { member in
      let component = member.value
      var tensors = try need(component["tensors"]?.members).map { tensor in
        let entry = try need(tensor.value.arrayValue)
        return CheckpointTensor(
          name: tensor.name,
          type: try need(entry[0].stringValue.flatMap(ScalarType.init(rawValue:))),
          shape: try need(entry[1].arrayValue).compactMap(\.integerValue))
      }[...]
      let files = try need(component["files"]?.arrayValue).map { file in
        let count = try need(file["tensors"]?.integerValue)
        defer { tensors = tensors.dropFirst(count) }
        return (name: try need(file["file"]?.stringValue), tensors: Array(tensors.prefix(count)))
      }
      return Component(
        folder: member.name, className: try need(component["class"]?.stringValue),
        configuration: try need(component["config"]), files: files,
        variants: try (component["variants"]?.members ?? []).map { variant in
          (
            variant.name, try need(variant.value["dtype"]?.stringValue.flatMap(ScalarType.init)),
            try need(variant.value["files"]?.arrayValue?.first?.stringValue)
          )
        })
    }
  }

  /// Writes the release as a sparse checkpoint. As in the releases, the autoencoder has a file of each variant of the transformer,
  /// in f32 all the same. A release of one component is that component's folder, under its name in
  /// a pipeline.
  public func write(to folder: String) throws {
    for component in components {
      let directory = "\(folder)/\(component.folder)"
      try SparseWeights.write(
        component.files, index: "\(component.base).safetensors.index.json", to: directory)
      for variant in component.variants {
        try SparseWeights.write(
          component.tensors.map {
            CheckpointTensor(name: $0.name, type: variant.type, shape: $0.shape)
          }, to: "\(directory)/\(variant.file)")
        try SparseWeights.write(
          components.first { $0.folder == "vae" }?.tensors ?? [],
          to: "\(folder)/vae/\(variant.file)")
      }
      try Data(JSONWriter.write(component.configuration))
        .write(to: URL(filePath: "\(directory)/config.json"))
    }
    guard modelIndex != .null else { return }
    try Data(JSONWriter.write(modelIndex)).write(to: URL(filePath: "\(folder)/model_index.json"))
    try FileManager.default.createDirectory(
      atPath: "\(folder)/scheduler", withIntermediateDirectories: true)
    try Data(JSONWriter.write(scheduler))
      .write(to: URL(filePath: "\(folder)/scheduler/scheduler_config.json"))
  }
}
