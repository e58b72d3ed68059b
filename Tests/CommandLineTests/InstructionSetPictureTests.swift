import CPUBackend
import Foundation
import SanaEngine
import SanaGraph
import TestSupport
import Testing

/// The same model drawn with different instruction sets.
@Suite struct InstructionSetPictureTests {
  private let directory: TestDirectory
  private let run: Tool
  private let model: String

  init() throws {
    directory = try TestDirectory()
    run = try Tool("sana-run")
    model = try ConvertedModels.make("sana-tiny", in: directory)
  }

  private func draw(_ model: String, _ set: InstructionSet, _ arguments: String...) throws
    -> RGBImage
  {
    let output = directory.path("\(set.rawValue).png")
    let words =
      [
        "env", "\(InstructionSet.environmentVariable)=\(set.rawValue)", run.path, model,
        "--prompt", "a fox", "-o", output, "--width", "64", "--height", "64", "--steps", "2",
        "--no-binning",
      ] + arguments
    let outcome = try Tool.shell("exec " + words.map { "'\($0)'" }.joined(separator: " "))
    #expect(outcome.status == 0, "\(outcome.error)")
    return try PNGFile.read(output)
  }

  private func quantized(_ recipe: String) throws -> String {
    let path = directory.path("\(recipe).sana")
    let outcome = try Tool("sana-quant").run(model, "--recipe", recipe, "-o", path)
    #expect(outcome.status == 0, "\(outcome.error)")
    return path
  }

  @Test func picturesOfProductsInFloatingPointDifferByOneStepAtMost() throws {
    let half = try quantized("f16")
    let plain = try draw(half, .portable)
    for set in InstructionSet.supported where set != .portable {
      let image = try draw(half, set)
      let largest = zip(image.pixels, plain.pixels).map { abs(Int($0) - Int($1)) }.max()
      #expect(try #require(largest) <= 1, "\(set)")
    }
  }

  @Test(arguments: ["f16", "w8a16", "w8a8"])
  func vectorsOfOneLengthDrawTheSamePicture(recipe: String) throws {
    let sets = InstructionSet.supported.filter { $0 == .avx512 || $0 == .avx512vnni }
    let path = try quantized(recipe)
    let pictures = try sets.map { try draw(path, $0) }
    #expect(pictures.allSatisfy { $0 == pictures[0] })
  }
}
