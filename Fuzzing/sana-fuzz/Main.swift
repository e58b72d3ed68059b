internal import CLibFuzzer
internal import Foundation

/// Throws damaged and lying files at one of the readers: `sana-fuzz READER [libFuzzer's arguments]`, or
/// `sana-fuzz READER --seeds DIRECTORY` to write the files to begin with.
@main enum SanaFuzz {
  static let targets: [String: any FuzzTarget] = [
    "safetensors": SafetensorsTarget(), "torch": TorchTarget(), "container": ContainerTarget(),
    "tokenizer": TokenizerTarget(), "tokenizer-document": TokenizerDocumentTarget(),
    "json": JSONTarget(),
  ]

  /// The reader that the command line names. libFuzzer's callbacks have no other way to know.
  static let chosen: any FuzzTarget = {
    guard CommandLine.arguments.count > 1, let target = targets[CommandLine.arguments[1]] else {
      print("usage: sana-fuzz (\(targets.keys.sorted().joined(separator: "|"))) [arguments]")
      exit(64)
    }
    return target
  }()

  static func main() throws {
    if CommandLine.arguments.count == 4, CommandLine.arguments[2] == "--seeds" {
      let directory = URL(filePath: CommandLine.arguments[3])
      try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
      for (index, seed) in try chosen.seeds().enumerated() {
        try Data(seed).write(to: directory.appending(path: "seed-\(index)"))
      }
      return
    }
    _ = chosen
    // libFuzzer takes its own name and what follows the reader's.
    var arguments: [UnsafeMutablePointer<CChar>?] = [CommandLine.unsafeArgv[0]]
    for index in 2..<max(Int(CommandLine.argc), 2) {
      arguments.append(CommandLine.unsafeArgv[index])
    }
    var count = Int32(arguments.count)
    arguments.append(nil)
    let status = arguments.withUnsafeMutableBufferPointer { buffer -> Int32 in
      var start = buffer.baseAddress
      return LLVMFuzzerRunDriver(&count, &start) { data, size in
        SanaFuzz.chosen.run(Array(UnsafeBufferPointer(start: data, count: size)))
        return 0
      }
    }
    exit(status)
  }
}

/// libFuzzer asks this for every new input.
@_cdecl("LLVMFuzzerCustomMutator")
public func mutate(
  _ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ limit: Int, _ seed: UInt32
) -> Int {
  var mutator = Mutator(seed: seed, limit: limit)
  let input = Array(UnsafeBufferPointer(start: data, count: size))
  let output = SanaFuzz.chosen.mutate(input, &mutator).prefix(limit)
  _ = UnsafeMutableBufferPointer(start: data, count: limit).update(fromContentsOf: output)
  return output.count
}
