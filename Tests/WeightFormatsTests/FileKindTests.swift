import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

/// Files that are not what their names say, as people really have them.
@Suite struct FileKindTests {
  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  @Test(arguments: FileKindSample.all) func isToldByItsFirstBytes(_ sample: FileKindSample) throws {
    let path = try directory.write(sample.bytes, to: "model.safetensors")
    #expect(try FileKind(path: path) == sample.kind)
    let error = #expect(throws: SanaError.self) { try SafetensorsFile(path: path) }
    #expect(error?.code == .malformedFile)
    #expect(
      error?.description.hasPrefix("\(path): \(sample.words)") == true,
      "\(String(describing: error))")
  }

  @Test func whatServesAPurposeIsNotRefused() throws {
    let weights = Checkpoints.path("sana-tiny") + "/vae/diffusion_pytorch_model.safetensors"
    #expect(try FileKind(path: weights) == .safetensors)
    #expect(
      try FileKind(path: Checkpoints.path("sana-tiny") + "/transformer/config.json") == .json)
    #expect(
      try FileKind(path: Checkpoints.path("sana-tiny") + "/tokenizer/tokenizer.model") == .unknown)
    let model = try ConvertedModels.make("sana-tiny", in: directory)
    #expect(try FileKind(path: model) == .container)
    let purposes: [(FileKind, FileKind.Purpose)] = [
      (.safetensors, .weights), (.container, .model), (.hdf5, .trace), (.json, .document),
      (.unknown, .vocabulary),
    ]
    for (kind, own) in purposes {
      for (_, purpose) in purposes where kind != .unknown {
        #expect((kind.refusal(for: purpose, path: "x") == nil) == (purpose == own))
      }
      #expect(kind.refusal(for: own, path: "x") == nil)
    }
  }

  /// Every kind has something to say to everyone, on one line.
  @Test(arguments: FileKindSample.all) func oneLineWhateverItIsWantedFor(_ sample: FileKindSample)
    throws
  {
    for purpose in [FileKind.Purpose.weights, .model, .trace, .document, .vocabulary] {
      guard let error = sample.kind.refusal(for: purpose, path: "x") else { continue }
      #expect(!error.message.isEmpty && !error.remedy.isEmpty)
      #expect(!error.description.contains("\n"))
    }
  }

  @Test func aCutCharacterIsTextStill() {
    let text = Array(("x" + String(repeating: "é", count: 400)).utf8)
    guard case .text = text.withUnsafeBytes({ FileKind($0) }) else {
      Issue.record("512 bytes end inside a character")
      return
    }
  }
}
