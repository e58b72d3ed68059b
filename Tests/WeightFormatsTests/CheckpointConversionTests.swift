import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

@Suite struct CheckpointConversionTests {
  /// A checkpoint of the fixtures and the components that it holds.
  struct Sample: CustomTestStringConvertible, Sendable {
    let path: String
    let kinds: Set<ComponentKind>

    var testDescription: String { (path as NSString).lastPathComponent }

    static let all = [
      Sample(
        path: Checkpoints.path("sana-tiny"), kinds: [.textEncoder, .transformer, .autoencoder]),
      Sample(path: Checkpoints.path("sana15-tiny"), kinds: [.textEncoder, .transformer]),
      Sample(path: Checkpoints.path("sprint-tiny"), kinds: [.transformer]),
      Sample(path: Checkpoints.path("lite-tiny"), kinds: [.autoencoder]),
      Sample(path: Checkpoints.demo, kinds: [.textEncoder, .transformer, .autoencoder]),
    ]

    func open() throws -> OfficialCheckpoint {
      try OfficialCheckpoint(path: path, components: kinds)
    }
  }

  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  private func convert(
    _ checkpoint: OfficialCheckpoint, _ precision: StoragePrecision = .keep,
    to name: String = "model.sana"
  ) throws -> ModelFile {
    let path = directory.path(name)
    try CheckpointConversion(checkpoint, precision: precision).write(to: path)
    return try ModelFile(path: path)
  }

  @Test(arguments: Sample.all)
  func theFileHoldsWhatTheCheckpointHolds(_ sample: Sample) throws {
    let checkpoint = try sample.open()
    let model = try convert(checkpoint)
    try model.verify()
    #expect(model.components.map(\.kind) == checkpoint.components.map(\.kind))
    #expect(model.pipelineClass == checkpoint.pipelineClass)
    #expect(try model.schedulerConfiguration() == checkpoint.scheduler)
    for component in checkpoint.components {
      #expect(try model.configuration(of: component.kind) == component.configuration)
      let expected = try FusedCheckpointSource(component)
      let source = try model.source(for: component.kind)
      for rule in expected.layout.rules {
        #expect(source.description(of: rule.name) == expected.description(of: rule.name))
        #expect(
          try source.load(rule.name).values.array == expected.load(rule.name).values.array,
          "\(rule.name)")
      }
      let documents = component.kind == .textEncoder ? checkpoint.tokenizer : []
      #expect(
        source.component.tensors.count == expected.layout.rules.count + documents.count)
      for document in documents {
        #expect(try source.load(document.name).values.array == document.contents)
      }
    }
  }

  @Test(arguments: Sample.all)
  func exportGivesTheOfficialTensorsBack(_ sample: Sample) throws {
    let checkpoint = try sample.open()
    let exported = directory.path("exported")
    try OfficialExport(convert(checkpoint)).write(to: exported)
    let again = try OfficialCheckpoint(path: exported, components: sample.kinds)
    #expect(again.modelIndex?["_class_name"] == checkpoint.modelIndex?["_class_name"])
    #expect(again.schedulerDocument == checkpoint.schedulerDocument)
    #expect(again.tokenizer == checkpoint.tokenizer)
    for (component, original) in zip(again.components, checkpoint.components) {
      #expect(component.document == original.document)
      #expect(Set(component.weights.tensors) == Set(original.weights.tensors))
      for tensor in original.weights.tensors {
        let bytes = try #require(try component.weights.elements(of: tensor.name)).bytes.array
        let expected = try #require(try original.weights.elements(of: tensor.name)).bytes.array
        if tensor.type == .f32, isUpsampling(tensor) {
          #expect(largestDifference(bytes, expected) <= 6e-8, "\(tensor.name)")
        } else {
          #expect(bytes == expected, "\(tensor.name)")
        }
      }
    }
  }

  @Test(arguments: Sample.all)
  func exportAndConversionGiveTheSameFileAgain(_ sample: Sample) throws {
    let model = try convert(sample.open())
    let exported = directory.path("exported")
    try OfficialExport(model).write(to: exported)
    let again = try convert(
      OfficialCheckpoint(path: exported, components: sample.kinds), to: "again.sana")
    #expect(again.components.map(\.metadata) == model.components.map(\.metadata))
    for (component, original) in zip(again.components, model.components) {
      let kind = try #require(component.kind)
      #expect(component.tensors.map(\.description) == original.tensors.map(\.description))
      for entry in component.tensors {
        let bytes = try again.source(for: kind).load(entry.name).values.array
        let expected = try model.source(for: kind).load(entry.name).values.array
        if entry.name.hasSuffix(".phases.weight") {
          #expect(largestDifference(bytes, expected) <= 1.2e-7, "\(entry.name)")
        } else {
          #expect(bytes == expected, "\(entry.name)")
        }
      }
    }
  }

  private func isUpsampling(_ tensor: CheckpointTensor) -> Bool {
    tensor.name.hasPrefix("decoder.up_blocks") && tensor.name.hasSuffix(".0.conv.weight")
  }

  private func largestDifference(
    _ first: [UInt8], _ second: [UInt8]
  ) -> Float {
    guard first.count == second.count else { return .infinity }
    return first.withUnsafeBytes { first in
      second.withUnsafeBytes { second in
        zip(first.bindMemory(to: Float.self), second.bindMemory(to: Float.self))
          .reduce(0) { max($0, abs($1.0 - $1.1)) }
      }
    }
  }

  @Test(arguments: [StoragePrecision.f32, .f16, .bf16])
  func everyTensorIsRoundedToThePrecisionAskedFor(_ precision: StoragePrecision) throws {
    let checkpoint = try OfficialCheckpoint(
      path: Checkpoints.path("sana-tiny"), components: [.textEncoder, .autoencoder])
    let model = try convert(checkpoint, precision)
    let type = try #require(ScalarType(rawValue: precision.rawValue.uppercased()))
    for component in checkpoint.components {
      let exact = try FusedCheckpointSource(component)
      let source = try model.source(for: component.kind)
      for rule in exact.layout.rules {
        #expect(source.description(of: rule.name)?.encoding == type.encoding)
        let expected = rule.fuse(try exact.elements(of: rule)).converted(to: type)
        #expect(
          try source.load(rule.name).values.array == expected.bytes.array, "\(rule.name)")
      }
    }
    // The official types come back, whatever the file's.
    let exported = directory.path("exported")
    try OfficialExport(model).write(to: exported)
    let types = try OfficialCheckpoint(path: exported, components: [.textEncoder, .autoencoder])
      .components.map { Set($0.weights.tensors.map(\.type)) }
    #expect(types == [[.bf16], [.f32]])
  }

  @Test func numbersTooLargeForF16AreAnErrorThatNamesTheTensor() throws {
    try directory.copy(
      Checkpoints.url("sana-tiny").appending(path: "transformer/config.json"), to: "config.json")
    try CheckpointEdits.rewrite(
      Checkpoints.path("sana-tiny") + "/transformer/diffusion_pytorch_model.safetensors",
      as: directory.path("diffusion_pytorch_model.safetensors")
    ) { name, elements in
      guard name == "transformer_blocks.1.attn1.to_k.weight" else { return elements }
      return TensorElements(
        type: .f32,
        bytes: TensorBytes(byteCount: elements.count * 4) { memory in
          memory.copyMemory(from: elements.bytes.bytes)
          for (index, value) in [65519, 65520, -1e9, Float.infinity].enumerated() {
            memory.storeBytes(of: value, toByteOffset: index * 4, as: Float.self)
          }
        })
    }
    let checkpoint = try OfficialCheckpoint(path: directory.url.path)
    func convert(_ precision: StoragePrecision) throws {
      try CheckpointConversion(checkpoint, precision: precision, allowsNotFinite: true)
        .write(to: directory.path("model.sana"))
    }
    let error = #expect(throws: SanaError.self) { try convert(.f16) }
    #expect(error?.code == .numericalFailure)
    #expect(
      error?.message.contains(
        "2 numbers of 1 tensor are too large for f16: 'transformer/transformer_blocks.1.attn1.to_qkv.weight' (2, up to 1e+09)"
      )
        == true)
    #expect(error?.remedy.contains("bf16") == true)
    #expect(try FileNames.list(directory).allSatisfy { !$0.contains("sana") })
    #expect(throws: Never.self) { try convert(.bf16) }
  }

  @Test func everyTensorWithNumbersTooLargeIsNamedAndThoseTooSmallAreCounted() throws {
    try directory.copy(
      Checkpoints.url("sana-tiny").appending(path: "transformer/config.json"), to: "config.json")
    let weights = directory.path("diffusion_pytorch_model.safetensors")
    func rewrite(_ values: [String: [Float]]) throws -> OfficialCheckpoint {
      try CheckpointEdits.rewrite(
        Checkpoints.path("sana-tiny") + "/transformer/diffusion_pytorch_model.safetensors",
        as: weights
      ) { name, elements in
        guard let values = values[name] else { return elements }
        return TensorElements(
          type: .f32,
          bytes: TensorBytes(byteCount: elements.count * 4) { memory in
            memory.copyMemory(from: elements.bytes.bytes)
            for (index, value) in values.enumerated() {
              memory.storeBytes(of: value, toByteOffset: index * 4, as: Float.self)
            }
          })
      }
      return try OfficialCheckpoint(path: directory.url.path)
    }
    var checkpoint = try rewrite(["proj_out.bias": [70_000], "patch_embed.proj.bias": [1e6, -2e6]])
    let error = #expect(throws: SanaError.self) { try convert(checkpoint, .f16) }
    #expect(
      error?.message.contains(
        "3 numbers of 2 tensors are too large for f16: 'transformer/patch_embed.proj.bias' (2, up to 2000000.0), "
          + "'transformer/proj_out.bias' (1, up to 70000.0)") == true, "\(error?.message ?? "")")
    // Half of f16's least number rounds to zero, the next one does not; zeros were zero before.
    checkpoint = try rewrite([
      "proj_out.bias": [0, -0.0, 0x1p-25, -0x1p-25, Float(0x1p-25).nextUp, 0x1p-24, 1e-30]
    ])
    let output = directory.path("small.sana")
    let vanished = try CheckpointConversion(checkpoint, precision: .f16).write(to: output).vanished
    #expect(vanished.first { $0.tensor == "transformer/proj_out.bias" }?.count == 3)
    #expect(try CheckpointConversion(checkpoint).write(to: output).vanished.isEmpty)
    #expect(
      try CheckpointConversion(checkpoint, precision: .bf16).write(to: output).vanished.isEmpty)
  }

  @Test func aCancelledConversionLeavesNothing() throws {
    let conversion = try CheckpointConversion(
      OfficialCheckpoint(path: Checkpoints.path("sana-tiny")))
    let token = CancellationToken()
    let error = #expect(throws: SanaError.self) {
      try conversion.write(to: directory.path("model.sana"), cancellation: token) { done in
        if done > 100_000 { token.cancel() }
      }
    }
    #expect(error?.code == .cancelled)
    #expect(try FileNames.list(directory).isEmpty)
  }

  @Test func aCancelledExportLeavesNothing() throws {
    let model = try convert(OfficialCheckpoint(path: Checkpoints.path("sana-tiny")))
    let token = CancellationToken()
    let error = #expect(throws: SanaError.self) {
      try OfficialExport(model).write(to: directory.path("out"), cancellation: token) { done in
        if done > 100_000 { token.cancel() }
      }
    }
    #expect(error?.code == .cancelled)
    #expect(try FileNames.list(directory) == ["model.sana"])
  }

  @Test func progressEndsAtTheNumberOfBytes() throws {
    let conversion = try CheckpointConversion(
      OfficialCheckpoint(path: Checkpoints.path("sana-tiny")))
    let reports = Reports()
    try conversion.write(to: directory.path("model.sana")) { reports.add($0) }
    #expect(reports.values.max() == conversion.byteCount)
    let export = try OfficialExport(ModelFile(path: directory.path("model.sana")))
    let exported = Reports()
    try export.write(to: directory.path("out")) { exported.add($0) }
    #expect(exported.values.max() == export.byteCount)
  }

  @Test func aSingleComponentIsExportedAsItsFolder() throws {
    for kind in ["transformer", "text_encoder"] {
      let checkpoint = try OfficialCheckpoint(path: Checkpoints.path("sana-tiny") + "/" + kind)
      let exported = directory.path(kind)
      try OfficialExport(convert(checkpoint)).write(to: exported)
      let again = try OfficialCheckpoint(path: exported)
      #expect(again.components.map(\.configuration) == checkpoint.components.map(\.configuration))
      #expect(again.tokenizer == checkpoint.tokenizer)
    }
  }

  @Test func licencesTravelWithTheWeights() throws {
    let path = try directory.copy(Checkpoints.url("sprint-tiny"), to: "checkpoint")
    try directory.write("terms\n", to: "checkpoint/LICENSE")
    let model = try convert(OfficialCheckpoint(path: path, components: [.transformer]))
    #expect(model.metadata["licences"]?["LICENSE"]?.stringValue == "terms\n")
    try OfficialExport(model).write(to: directory.path("out"))
    #expect(try String(contentsOfFile: directory.path("out/LICENSE"), encoding: .utf8) == "terms\n")
  }

  @Test func anExportNeverReplacesAFolder() throws {
    let model = try convert(
      OfficialCheckpoint(path: Checkpoints.path("sprint-tiny"), components: [.transformer]))
    try directory.write("mine", to: "out/notes.txt")
    let error = #expect(throws: SanaError.self) {
      try OfficialExport(model).write(to: directory.path("out"))
    }
    #expect(error?.code == .invalidArgument)
    #expect(try String(contentsOfFile: directory.path("out/notes.txt"), encoding: .utf8) == "mine")
  }
}
