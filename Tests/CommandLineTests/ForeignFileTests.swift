import Foundation
import TestSupport
import Testing

/// What the tools say of them.
@Suite struct ForeignFileTests {
  private let directory: TestDirectory
  private let model: String

  init() throws {
    directory = try TestDirectory()
    model = try ConvertedModels.make("sana-tiny", in: directory)
  }

  private func failure(
    _ tool: String, _ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    let outcome = try Tool(tool).run(arguments)
    #expect(outcome.status != 0 && outcome.output.isEmpty, sourceLocation: sourceLocation)
    #expect(outcome.error.hasPrefix("error: "), sourceLocation: sourceLocation)
    #expect(outcome.error.count { $0 == "\n" } == 1, sourceLocation: sourceLocation)
    return outcome.error
  }

  @Test func weightsThatAreNone() throws {
    let output = directory.path("out.sana")
    for sample in FileKindSample.all {
      let path = try directory.write(sample.bytes, to: "model.safetensors")
      #expect(
        try failure("sana-convert", "convert", path, "-o", output).contains(
          "\(path): \(sample.words)"))
      #expect(
        try failure("sana-convert", "inspect", path).contains(sample.words)
          || sample.kind == .container)
    }
    let lora = try directory.write(
      Array("GGUF".utf8) + [UInt8](repeating: 0, count: 84), to: "lora.safetensors")
    #expect(
      try failure(
        "sana-convert", Checkpoints.path("sana-tiny"), "-o", output, "--lora", lora
      ).contains("\(lora): is a GGUF file, which is not read"))
    // A model that is converted already.
    #expect(
      try failure("sana-convert", model, "-o", output).contains(
        "is a .sana file, not a safetensors file; it is converted already"))
  }

  @Test func modelsThatAreNone() throws {
    let weights = Checkpoints.path("sana-tiny") + "/vae/diffusion_pytorch_model.safetensors"
    let picture = try directory.write(
      [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + [UInt8](repeating: 0, count: 200),
      to: "fox.png")
    let cases = [
      (
        weights,
        "is a safetensors file, not a .sana file; convert official weights first: sana-convert CHECKPOINT -o model.sana"
      ),
      (picture, "is a PNG image, not a .sana file; name a .sana file"),
      (
        Checkpoints.path("sana-tiny"),
        "is a folder, not a .sana file; convert official weights first: sana-convert CHECKPOINT -o model.sana"
      ),
    ]
    for (path, words) in cases {
      #expect(
        try failure("sana-run", path, "--prompt", "x", "-o", directory.path("x.png")).contains(
          "\(path): \(words)"))
      #expect(
        try failure("sana-quant", path, "--recipe", "w8a8", "-o", directory.path("x.sana"))
          .contains("\(path): \(words)"))
      #expect(try failure("sana-convert", "check", path).contains("\(path): \(words)"))
    }
  }

  @Test func tracesThatAreNone() throws {
    let weights = Checkpoints.path("sana-tiny") + "/vae/diffusion_pytorch_model.safetensors"
    #expect(
      try failure("sana-quant", "verify", model, "--reference", weights)
        .contains("\(weights): is a safetensors file, not an HDF5 file"))
    #expect(
      try failure("sana-quant", "verify", model, "--reference", model)
        .contains("\(model): is a .sana file, not an HDF5 file"))
  }
}
