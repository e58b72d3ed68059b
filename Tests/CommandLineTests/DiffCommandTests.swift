import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

@Suite struct DiffCommandTests {
  private let directory: TestDirectory
  private let tool: Tool
  private let model: String
  private let tiny = Checkpoints.path("sana-tiny")

  init() throws {
    directory = try TestDirectory()
    tool = try Tool("sana-convert")
    model = try ConvertedModels.make("sana-tiny", in: directory)
  }

  private func object(_ arguments: String..., status: Int32) throws -> MetadataValue {
    let outcome = try tool.run(["diff"] + arguments + ["--json"])
    #expect(outcome.status == status, "\(outcome.error)")
    return try Array(outcome.output.utf8).withUnsafeBytes {
      try JSONParser.parse($0, location: "output")
    }
  }

  @Test func aModelIsTheSameAsItselfItsCheckpointAndItsExport() throws {
    let export = directory.path("export")
    #expect(try tool.run("export", model, "-o", export).status == 0)
    for other in [model, tiny] {
      let outcome = try tool.run("diff", model, other)
      #expect(outcome.status == 0, "\(outcome.output)\(outcome.error)")
      #expect(outcome.error.isEmpty)
      #expect(outcome.output.hasSuffix("276 tensors: 276 the same\nthe models are the same\n"))
    }
    // Sums of taps come back rounded once more, so the kernels of upsampling blocks are not compared.
    let report = try object(export, tiny, "--components", "transformer,text-encoder", status: 0)
    #expect(report["same"] == true)
    #expect(report["first"]?["form"] == "checkpoint")
  }

  @Test func aVariantOfFewerBitsDiffersAsItsOwnStatisticsSay() throws {
    let quantized = directory.path("w8a8.sana")
    #expect(
      try Tool("sana-quant").run(model, "--recipe", "w8a8", "-o", quantized).status == 0)
    let report = try object(model, quantized, "--all", status: 1)
    #expect(report["same"] == false)
    let tensors = try #require(report["tensors"]?.arrayValue)
    #expect(tensors.count == 276)
    let recorded = try ModelFile(path: quantized).components.flatMap { component in
      component.tensors.filter {
        !InstructionTensors.contain($0.name, in: component.kind) && !InputFactors.isName($0.name)
      }
      .map { ("\(component.name)/\($0.name)", $0) }
    }
    var measured = 0
    for (tensor, (name, entry)) in zip(tensors, recorded) {
      let component = tensor["component"]?.stringValue ?? ""
      #expect("\(component)/\(tensor["name"]?.stringValue ?? "")" == name)
      guard tensor["status"] == "values" else { continue }
      let ratio = try #require(tensor["snr_db"]?.numberValue)
      let expected = try #require(entry.metadata["distortion"]?["snr_db"]?.numberValue)
      #expect(abs(ratio - expected) < 1e-6, "\(name)")
      let error = try #require(tensor["max_abs_error"]?.numberValue)
      #expect(error == entry.metadata["distortion"]?["max_abs_error"]?.numberValue, "\(name)")
      measured += 1
    }
    #expect(measured > 100)
    #expect(report["tensor_counts"]?["values"]?.integerValue == measured)
    let remarks = report["remarks"]?.arrayValue?.compactMap { $0["path"]?.stringValue }
    #expect(remarks == ["quantization"])
    #expect(report["settings"] == [])
  }

  @Test func theFarthestApartComeFirst() throws {
    let quantized = directory.path("w8a8.sana")
    #expect(
      try Tool("sana-quant").run(model, "--recipe", "w8a8", "-o", quantized).status == 0)
    let outcome = try tool.run("diff", model, quantized)
    #expect(outcome.status == 1)
    let lines = outcome.output.split(separator: "\n")
    let ratios = lines.compactMap { line in
      line.contains("->") ? line.split(separator: " ").last.flatMap { Double($0) } : nil
    }
    #expect(ratios.count == 40)
    #expect(ratios == ratios.sorted())
    #expect(outcome.output.contains("more (--all lists every tensor)"))
    #expect(lines.last == "the models differ")
  }

  @Test func aChangedSettingIsNamed() throws {
    let folder = try directory.copy(Checkpoints.url("sana-tiny"), to: "other")
    let path = folder + "/scheduler/scheduler_config.json"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text.contains(#""flow_shift": 3.0"#))
    try text.replacingOccurrences(of: #""flow_shift": 3.0"#, with: #""flow_shift": 4.0"#)
      .write(toFile: path, atomically: true, encoding: .utf8)
    let report = try object(model, folder, status: 1)
    #expect(
      report["settings"]
        == [["path": "scheduler.flow_shift", "first": .number(3), "second": .number(4)]])
    #expect(report["tensors"] == [])
    // The pipeline as a whole is no matter of its components.
    #expect(
      try tool.run("diff", model, folder, "--components", "transformer,autoencoder").status == 0)
  }

  @Test func aChangedTokenizerIsATensorOfOtherBytes() throws {
    let folder = try directory.copy(Checkpoints.url("sana-tiny"), to: "other")
    let path = folder + "/tokenizer/tokenizer_config.json"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let (side, other) = (#""padding_side": "right""#, #""padding_side": "wight""#)
    #expect(text.contains(side))
    try text.replacingOccurrences(of: side, with: other)
      .write(toFile: path, atomically: true, encoding: .utf8)
    let report = try object(model, folder, status: 1)
    let tensor = try #require(report["tensors"]?.arrayValue?.first)
    #expect(report["tensors"]?.arrayValue?.count == 1)
    #expect(tensor["name"] == "tokenizer_config.json")
    #expect(tensor["differing"] == 1)
  }

  @Test func tokenizersThatGiveTheSameIdsAreTheSame() throws {
    let folder = try directory.copy(Checkpoints.url("sana-tiny"), to: "other")
    for name in ["tokenizer.model", "special_tokens_map.json"] {
      try FileManager.default.removeItem(atPath: "\(folder)/tokenizer/\(name)")
    }
    let converted = directory.path("other.sana")
    #expect(try tool.run(folder, "-o", converted).status == 0)
    for (first, second) in [(model, folder), (model, converted), (folder, converted)] {
      let outcome = try tool.run("diff", first, second)
      #expect(outcome.status == 0, "\(outcome.output)")
      #expect(outcome.output.contains("tokenizer.model") == (first == model))
    }
    // What was made is no file of the checkpoint.
    let exported = directory.path("exported")
    #expect(try tool.run("export", converted, "-o", exported).status == 0)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: exported + "/tokenizer").sorted()
        == ["tokenizer.json", "tokenizer_config.json"])
    let json = folder + "/tokenizer/tokenizer.json"
    try String(contentsOfFile: json, encoding: .utf8)
      .replacingOccurrences(of: "\"<2mass>\"", with: "\"<3mass>\"")
      .write(toFile: json, atomically: true, encoding: .utf8)
    #expect(try tool.run("diff", model, folder).status == 1)
  }

  @Test func errorsAreNoDifferences() throws {
    let text = try directory.write("hello", to: "hello.sana")
    for arguments in [
      [model, text], [text, model], [model, directory.path("absent")],
      [model, directory.url.path], [model, tiny, "--variant", "fp8"],
      [model, model, "--components", "transformer"].map { $0 == model ? tiny + "/vae" : $0 },
    ] {
      let outcome = try tool.run(["diff"] + arguments)
      #expect(outcome.status == 2, "\(arguments): \(outcome.output)")
      #expect(outcome.error.hasPrefix("error: ") && outcome.error.contains("; "))
      #expect(outcome.output.isEmpty)
    }
    #expect(try tool.run("diff", model).status == 64)
    #expect(try tool.run("diff", model, tiny, "--components", "vae").status == 64)
  }

  @Test func aDamagedFileIsAnError() throws {
    let other = directory.path("other.sana")
    #expect(try tool.run(tiny, "-o", other, "--precision", "f16").status == 0)
    let entry = try #require(
      try ModelFile(path: other).components.flatMap(\.tensors).max {
        $0.storedByteCount < $1.storedByteCount
      })
    let handle = try FileHandle(forUpdating: URL(filePath: other))
    try handle.seek(toOffset: UInt64(entry.values.offset))
    try handle.write(contentsOf: Data([0xAA, 0x55, 0xAA]))
    try handle.close()
    let outcome = try tool.run("diff", model, other)
    #expect(outcome.status == 2)
    #expect(outcome.error.contains(entry.name))
  }
}
