import SanaEngine
import SanaGraph
import TestSupport
import Testing
import Traces

@Suite struct NormalGeneratorTests {
  /// Largest difference in units of the last place of the reference, for numbers above 1e-3; PyTorch's vector sine and logarithm differ
  /// from the C library's in the last places.
  private let tolerance: Float = 6

  private func expectEqual(_ result: [Float], _ reference: [Float], _ label: String) {
    #expect(result.count == reference.count)
    for (index, (value, expected)) in zip(result, reference).enumerated() {
      let unit = max(abs(expected), 1e-3).ulp
      #expect(abs(value - expected) <= tolerance * unit, "\(label)[\(index)]")
    }
  }

  @Test(arguments: [0, 1, 42, 123_456_789, 4_294_967_295, 8_589_934_597] as [UInt64])
  func numbersAreThoseOfTorchRandn(seed: UInt64) throws {
    let trace = try TraceFile(
      path: Fixtures.directory.appending(path: "traces/randn.h5").path)
    for entry in try trace.entries(of: "seed\(seed)/single") {
      let reference = try trace.floats("seed\(seed)/single/\(entry.name)").values
      var generator = NormalGenerator(seed: seed)
      expectEqual(generator.normals(count: reference.count), reference, entry.name)
    }
    // Calls on one generator, small tensors between large ones.
    var generator = NormalGenerator(seed: seed)
    let result = [3, 16, 2, 5, 33, 1, 1, 40, 15, 640, 9, 7].flatMap {
      generator.normals(count: $0)
    }
    expectEqual(result, try trace.floats("seed\(seed)/sequence").values, "sequence")
  }

  @Test(arguments: ["sana-tiny", "sana15-tiny", "sprint-tiny"])
  func latentsAndNoiseOfTheTracesComeFromTheirSeeds(name: String) throws {
    for trace in try ReferenceTraces.files(name) {
      for path in try ReferenceTraces.cases(of: trace) {
        let seed = UInt64(try trace.number("seed", of: path))
        let latents = try trace.floats("\(path)/initial_latents").values
        var generator = NormalGenerator(seed: seed)
        expectEqual(generator.normals(count: latents.count), latents, path)
      }
      for run in try ReferenceTraces.runs(of: trace) where run.sampler == "scm" {
        // The trace gave the pipeline its latents, and a generator of its own for the noise.
        let seed = UInt64(try trace.number("seed", of: run.casePath)) + 1000
        let noise = try trace.floats("\(run.path)/noise")
        var generator = NormalGenerator(seed: seed)
        for step in 0..<run.steps {
          let reference = noise[step].values
          expectEqual(generator.normals(count: reference.count), reference, run.path)
        }
      }
    }
  }
}
