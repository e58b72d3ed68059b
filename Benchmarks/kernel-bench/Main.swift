import ArgumentParser
import CKernels
import CPUBackend
import SanaEngine
import SanaGraph

@main struct KernelBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernel-bench",
    abstract: "Measures the CPU kernels.",
    subcommands: [Operations.self, Products.self, Networks.self], defaultSubcommand: Operations.self
  )
}

struct BenchOptions: ParsableArguments {
  @Option(help: "Threads; as many as there are processors by default.")
  var threads: Int?

  @Option(
    name: .customLong("isa"),
    help: "Instruction set: \(InstructionSet.supported.map(\.rawValue).joined(separator: ", ")).")
  var instructionSetName: String?

  func instructionSet() throws -> InstructionSet {
    guard let name = instructionSetName else { return try .chosen() }
    guard let set = InstructionSet(rawValue: name), set.isSupported else {
      throw ValidationError("this processor has no instruction set '\(name)'")
    }
    return set
  }

  func backend() throws -> CPUBackend {
    try CPUBackend(threads: threads, instructionSet: instructionSet())
  }
}
