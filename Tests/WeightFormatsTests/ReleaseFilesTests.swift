import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

/// The file sets of every official release, as sparse files with true headers, where `SANA_REFERENCE` names the manifests.
@Suite(.enabled(if: ReferenceTraces.fullDirectory != nil))
struct ReleaseFilesTests {
  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  private static let manifests = ReleaseManifest.all.filter { $0.modelIndex != .null }
  private static let names = manifests.map(\.name)

  private func manifest(_ name: String) throws -> (ReleaseManifest, path: String) {
    let manifest = try #require(Self.manifests.first { $0.name == name })
    try manifest.write(to: directory.path("release"))
    return (manifest, directory.path("release"))
  }

  private func files(_ checkpoint: OfficialCheckpoint, _ kind: ComponentKind) throws -> [String] {
    try #require(checkpoint.components.first { $0.kind == kind }).weights.sourceFiles.map {
      URL(filePath: $0.path).lastPathComponent
    }
  }

  private func types(_ checkpoint: OfficialCheckpoint, _ kind: ComponentKind) throws -> Set<
    ScalarType
  > {
    Set(
      try #require(checkpoint.components.first { $0.kind == kind }).weights.tensors.map(\.type))
  }

  /// What every release has without a variant, and the text encoder with one too.
  private func isPlain(
    _ checkpoint: OfficialCheckpoint, _ kind: ComponentKind, of manifest: ReleaseManifest
  ) throws -> Bool {
    let component = try #require(manifest.components.first { $0.folder == kind.officialFolder })
    return try files(checkpoint, kind) == component.files.map(\.name).sorted()
      && types(checkpoint, kind) == Set(component.tensors.map(\.type))
  }

  @Test(arguments: names)
  func plainFilesAreTaken(_ name: String) throws {
    let (manifest, path) = try manifest(name)
    let checkpoint = try OfficialCheckpoint(path: path)
    for kind in ComponentKind.allCases {
      #expect(try isPlain(checkpoint, kind, of: manifest), "\(kind)")
    }
    #expect(try types(checkpoint, .textEncoder) == [.bf16])
    #expect(try types(checkpoint, .autoencoder) == [.f32])
    let conversion = try CheckpointConversion(checkpoint)
    let controlNets = conversion.notices.count { $0.contains("ControlNet is not run yet") }
    #expect(controlNets == (manifest.components.count > 3 ? 1 : 0))
    #expect(checkpoint.modelIndex?["controlnet"] == nil)
    #expect(checkpoint.pipelineClass?.contains("ControlNet") == false)
  }

  @Test(arguments: names)
  func variantsAreTakenWhereTheyAre(_ name: String) throws {
    let (manifest, path) = try manifest(name)
    let transformer = try #require(manifest.components.first { $0.folder == "transformer" })
    for variant in transformer.variants {
      let checkpoint = try OfficialCheckpoint(path: path, variant: variant.name)
      #expect(try files(checkpoint, .transformer) == [variant.file])
      #expect(try types(checkpoint, .transformer) == [variant.type])
      #expect(try files(checkpoint, .autoencoder) == [variant.file])
      #expect(try types(checkpoint, .autoencoder) == [.f32])
      #expect(try isPlain(checkpoint, .textEncoder, of: manifest))
      #expect(checkpoint.components.map(\.variant) == [nil, variant.name, variant.name])
      let conversion = try CheckpointConversion(checkpoint)
      #expect(conversion.notices.count { $0.hasPrefix("text-encoder has no") } == 1)
    }
    for absent in ["fp16", "bf16", "fp8"]
    where !transformer.variants.contains(where: { $0.name == absent }) {
      let error = #expect(throws: SanaError.self) {
        try OfficialCheckpoint(path: path, variant: absent)
      }
      #expect(error?.code == .invalidArgument)
      let existing =
        transformer.variants.isEmpty
        ? "it has no variants" : "it has: \(transformer.variants[0].name)"
      #expect(error?.message.contains(existing) == true, "\(error?.message ?? "")")
    }
  }

  @Test(arguments: names)
  func theInventoryRecognizesTheRelease(_ name: String) throws {
    let (manifest, path) = try manifest(name)
    let inventory = try CheckpointInventory(path: path)
    #expect(inventory.parts.map(\.name).sorted() == manifest.components.map(\.folder).sorted())
    #expect(inventory.scheduler != nil)
    for part in inventory.parts {
      let component = try #require(manifest.components.first { $0.folder == part.name })
      #expect(part.className == component.className)
      #expect(
        part.fileSets.first?.parameterCount == component.tensors.reduce(0) { $0 + $1.elementCount })
      if part.name == "controlnet" {
        #expect(part.remark?.contains("not run yet") == true)
      } else {
        #expect(part.remark == nil)
        #expect(part.releases.count == 1, "\(part.name): \(part.releases)")
      }
    }
    let transformer = try #require(inventory.parts.first { $0.kind == .transformer })
    #expect(transformer.releases == [try #require(Self.releases[name])])
    let expected = try #require(manifest.components.first { $0.folder == "transformer" })
    #expect(transformer.fileSets.map(\.variant) == [nil] + expected.variants.map(\.name))
  }

  /// The lighter decoder is released by itself; its tensors tell that it is.
  @Test func aReleasedAutoencoderIsRecognized() throws {
    let manifest = try #require(ReleaseManifest.all.first { $0.name.hasPrefix("dc-ae-lite") })
    try manifest.write(to: directory.path("release"))
    let folder = directory.path("release/vae")
    let file = folder + "/diffusion_pytorch_model.safetensors"
    for path in [folder, file] {
      let part = try #require(try CheckpointInventory(path: path).parts.first)
      #expect(part.releases == ["DC-AE-Lite f32c32"] && part.remark == nil)
    }
    try FileManager.default.removeItem(atPath: folder + "/config.json")
    let component = try #require(try OfficialCheckpoint(path: file).components.first)
    #expect(
      try component.configuration
        == ComponentConfiguration(
          .autoencoder, official: manifest.components[0].configuration, location: "manifest"))
  }

  /// Weights of one size and resolution share a configuration, whatever they were trained on.
  private static let releases = [
    "sana-600m-512": "Sana 0.6B 512px", "sana-600m-1024": "Sana 0.6B 1024px",
    "sana-600m-1024-controlnet-hed": "Sana 0.6B 1024px", "sana-1600m-512": "Sana 1.6B 512px",
    "sana-1600m-512-multiling": "Sana 1.6B 512px", "sana-1600m-1024": "Sana 1.6B 1024px",
    "sana-1600m-1024-multiling": "Sana 1.6B 1024px", "sana-1600m-1024-bf16": "Sana 1.6B 1024px",
    "sana-1600m-1024-controlnet-hed": "Sana 1.6B 1024px",
    "sana-1600m-2k-bf16": "Sana 1.6B 2Kpx", "sana-1600m-4k-bf16": "Sana 1.6B 4Kpx",
    "sana1.5-1.6b-1024": "SANA-1.5 1.6B", "sana1.5-4.8b-1024": "SANA-1.5 4.8B",
    "sana-sprint-0.6b-1024": "SANA-Sprint 0.6B", "sana-sprint-1.6b-1024": "SANA-Sprint 1.6B",
  ]
}
