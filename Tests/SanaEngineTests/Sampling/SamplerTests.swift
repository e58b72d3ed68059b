import SanaEngine
import SanaGraph
import Support
import TestSupport
import Testing
import Traces
import WeightFormats

@Suite struct SamplerTests {
  private static let flow = SchedulerConfiguration.dpmSolver(
    flowShift: 3, trainingTimesteps: 1000)
  private static let consistency = SchedulerConfiguration.consistency(
    sigmaData: 0.5, trainingTimesteps: 1000)

  /// Every schedule that was recorded, and the steps along it where there are any.
  @Test(arguments: ["dpm", "euler"])
  func flowSchedulesAndStepsAreThoseOfDiffusers(kind: String) throws {
    for trace in try ReferenceTraces.files("schedulers") {
      for shift in try trace.entries(of: kind).map(\.name) {
        for entry in try trace.entries(of: "\(kind)/\(shift)").map(\.name) {
          let path = "\(kind)/\(shift)/\(entry)"
          let shift = try #require(Double(shift.dropFirst("shift".count)))
          let steps = try #require(Int(entry.dropFirst("steps".count)))
          let sigmas: [Float]
          var sampler: any Sampler
          if kind == "dpm" {
            let made = DPMSolverSampler(shift: shift, trainingTimesteps: 1000, steps: steps)
            (sigmas, sampler) = (made.sigmas, made)
          } else {
            let made = FlowEulerSampler(shift: shift, trainingTimesteps: 1000, steps: steps)
            (sigmas, sampler) = (made.sigmas, made)
          }
          #expect(try sampler.timesteps == trace.floats("\(path)/timesteps").values, "\(path)")
          #expect(try sigmas == trace.floats("\(path)/sigmas").values, "\(path)")
          guard trace.contains("\(path)/samples") else { continue }
          let outputs = try trace.floats("\(path)/model_outputs")
          let samples = try trace.floats("\(path)/samples")
          var latents = try trace.floats("\(path)/x").values
          for step in 0..<steps {
            latents = sampler.step(
              modelOutput: outputs[step].values, latents: latents, noise: [])
            try expectClose(samples[step].values, latents, "\(path) step \(step)")
          }
        }
      }
    }
  }

  @Test func consistencySchedulesAreThoseOfDiffusers() throws {
    for trace in try ReferenceTraces.files("schedulers") {
      for entry in try trace.entries(of: "scm").map(\.name) {
        let steps = try #require(Int(entry.dropFirst("steps".count)))
        let sampler = ConsistencySampler(sigmaData: 0.5, steps: steps)
        try expectClose(trace.floats("scm/\(entry)/timesteps").values, sampler.timesteps, entry)
        try expectClose(
          trace.floats("scm/\(entry)/scm_timestep").values, sampler.modelTimesteps, entry)
      }
    }
  }

  /// The recorded outputs of the transformer, through guidance and sampler, give the recorded latents.
  @Test(arguments: ["sana-tiny", "sana15-tiny", "sprint-tiny"])
  func recordedOutputsLeadToRecordedLatents(name: String) throws {
    for trace in try ReferenceTraces.files(name) {
      for run in try ReferenceTraces.runs(of: trace) {
        var sampler = try makeSampler(run)
        let guidance = Float(try trace.number("guidance", of: run.casePath))
        #expect(try sampler.timesteps == trace.floats("\(run.path)/timesteps").values)
        let timesteps = try trace.floats("\(run.path)/model_timestep")
        let outputs = try trace.floats("\(run.path)/model_output")
        let expected = try trace.floats("\(run.path)/latents")
        let noise = sampler.drawsNoise ? try trace.floats("\(run.path)/noise") : nil
        let inputs = sampler.drawsNoise ? try trace.floats("\(run.path)/model_input") : nil
        var latents = sampler.initialLatents(
          try trace.floats("\(run.casePath)/initial_latents").values)
        for step in 0..<run.steps {
          try expectClose(
            timesteps[step].values,
            timesteps[step].values.map { _ in sampler.modelTimesteps[step] }, run.path)
          if let inputs {
            try expectClose(inputs[step].values, sampler.modelInput(latents), run.path)
          }
          let isGuided = name != "sprint-tiny" && ClassifierFreeGuidance.isActive(scale: guidance)
          let output =
            isGuided
            ? ClassifierFreeGuidance.combine(outputs[step].values, scale: guidance)
            : outputs[step].values
          latents = sampler.step(
            modelOutput: output, latents: latents, noise: noise?[step].values ?? [])
          try expectClose(expected[step].values, latents, "\(run.path) step \(step)")
        }
        #expect(sampler.currentStep == run.steps)
        try expectClose(
          trace.floats("\(run.path)/final_latents").values, sampler.finalLatents(latents),
          run.path)
      }
    }
  }

  private func makeSampler(_ run: ReferenceTraces.Run) throws -> any Sampler {
    switch run.sampler {
    case "dpm": try SamplerKind.dpmSolver.makeSampler(Self.flow, steps: run.steps)
    case "euler": try SamplerKind.flowEuler.makeSampler(Self.flow, steps: run.steps)
    default: try SamplerKind.consistency.makeSampler(Self.consistency, steps: run.steps)
    }
  }

  private func expectClose(_ reference: [Float], _ result: [Float], _ label: String) throws {
    let comparison = try Comparison(reference: reference, result: result)
    #expect(comparison.signalToNoiseDecibels >= 110, "\(label)")
  }

  @Test func samplersOfAnotherFamilyAreRefused() {
    for kind in [SamplerKind.dpmSolver, .flowEuler] {
      #expect(throws: SanaError.self) { try kind.makeSampler(Self.consistency, steps: 2) }
    }
    #expect(throws: SanaError.self) {
      try SamplerKind.consistency.makeSampler(Self.flow, steps: 2)
    }
  }

  @Test(arguments: [0, -1, 1001, Int.max])
  func impossibleStepCountsAreRefused(steps: Int) {
    for kind in SamplerKind.allCases {
      let configuration = kind == .consistency ? Self.consistency : Self.flow
      let error = #expect(throws: SanaError.self) {
        try kind.makeSampler(configuration, steps: steps)
      }
      #expect(error?.code == .invalidArgument)
    }
  }

  @Test func guidanceUpToOneIsOff() {
    #expect(!ClassifierFreeGuidance.isActive(scale: 1))
    #expect(ClassifierFreeGuidance.isActive(scale: 1.5))
    #expect(ClassifierFreeGuidance.combine([1, 2, 3, 5], scale: 2) == [5, 8])
  }
}
