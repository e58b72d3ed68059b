import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

/// Which of several sets of weights in a folder is taken, against a table of what diffusers and
/// transformers take (`Tools/precedence_table.py`).
@Suite struct PrecedenceTests {
  /// Weights of both libraries' names, each set with a number of its own in every tensor, in a
  /// folder of their own.
  private struct Store {
    let library: String
    let folder: String
    let safetensors: String
    let torch: String

    /// The files that a fact of the table stands for.
    func names(_ fact: String) -> [String] {
      let numbers = ["-00001-of-00002", "-00002-of-00002"]
      return switch fact {
      case "index": ["\(safetensors).safetensors.index.json"]
      case "shards": numbers.map { "\(safetensors)\($0).safetensors" }
      case "single": ["\(safetensors).safetensors"]
      case "bin": ["\(torch).bin"]
      case "bin index": ["\(torch).bin.index.json"]
      case "bin shards": numbers.map { "\(torch)\($0).bin" }
      case "fp16 index": ["\(safetensors).safetensors.index.fp16.json"]
      case "fp16 shards": numbers.map { "\(safetensors).fp16\($0).safetensors" }
      case "fp16 old index": ["\(safetensors).safetensors.fp16.index.json"]
      case "fp16 old shards": numbers.map { "\(safetensors)\($0).fp16.safetensors" }
      case "fp16 single": ["\(safetensors).fp16.safetensors"]
      case "fp16 bin": ["\(torch).fp16.bin"]
      default: []
      }
    }
  }

  /// The facts whose files hold weights, and the letter of each in the table.
  private static let letters: [(fact: String, letter: Character)] = [
    ("shards", "i"), ("single", "s"), ("bin", "b"), ("bin shards", "q"), ("fp16 shards", "n"),
    ("fp16 old shards", "l"), ("fp16 single", "v"), ("fp16 bin", "w"),
  ]
  private static let tensorNames = ["first.weight", "second.weight"]

  private let directory: TestDirectory
  private let table: MetadataValue
  private let facts: [(name: String, stateCount: Int)]

  init() throws {
    directory = try TestDirectory()
    table = try JSONParser.parse(file: Fixtures.directory.appending(path: "precedence.json").path)
    facts = (table["facts"]?.arrayValue ?? []).compactMap { fact in
      guard let name = fact.arrayValue?.first?.stringValue,
        let count = fact.arrayValue?.last?.integerValue
      else { return nil }
      return (name, count)
    }
  }

  private func store(_ library: String) throws -> Store {
    let isDiffusers = library == "diffusers"
    let store = Store(
      library: library, folder: directory.path("store-\(library)"),
      safetensors: isDiffusers ? "diffusion_pytorch_model" : "model",
      torch: isDiffusers ? "diffusion_pytorch_model" : "pytorch_model")
    try directory.copy(
      Checkpoints.url("sana-tiny").appending(
        path: "\(isDiffusers ? "transformer" : "text_encoder")/config.json"),
      to: "config-\(library).json")
    try FileManager.default.createDirectory(
      atPath: store.folder, withIntermediateDirectories: true)
    for (index, (fact, _)) in Self.letters.enumerated() {
      let files = store.names(fact)
      for (file, names) in zip(
        files, files.count == 1 ? [Self.tensorNames] : Self.tensorNames.map { [$0] })
      {
        let tensors = names.map { name in
          (
            tensor: CheckpointTensor(name: name, type: .f32, shape: [1]),
            bytes: withUnsafeBytes(of: Float(index)) { Array($0) }
          )
        }
        try CheckpointEdits.write(tensors, to: "\(store.folder)/\(file)")
      }
    }
    for prefix in ["", "bin ", "fp16 ", "fp16 old "] {
      let map = zip(Self.tensorNames, store.names(prefix + "shards")).map {
        MetadataValue.Member($0, .string($1))
      }
      try Data(JSONWriter.write(["weight_map": .object(map)]))
        .write(to: URL(filePath: "\(store.folder)/\(store.names(prefix + "index")[0])"))
    }
    return store
  }

  /// The state of every fact in a subset; the first fact is the slowest digit of its number.
  private func states(of subset: Int) -> [String: Int] {
    var states: [String: Int] = [:]
    var rest = subset
    for fact in facts.reversed() {
      states[fact.name] = rest % fact.stateCount
      rest /= fact.stateCount
    }
    return states
  }

  /// A folder with the files of a subset.
  private func folder(_ states: [String: Int], of store: Store) throws -> (String, Set<String>) {
    let folder = directory.path(UUID().uuidString)
    let files = FileManager.default
    try files.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try files.copyItem(
      atPath: directory.path("config-\(store.library).json"), toPath: folder + "/config.json")
    var present: Set<String> = []
    for (fact, state) in states where state > 0 {
      let names = store.names(fact)
      present.formUnion(state == 2 ? [names[0]] : names)
    }
    for name in present {
      try files.createSymbolicLink(
        atPath: "\(folder)/\(name)", withDestinationPath: "\(store.folder)/\(name)")
    }
    return (folder, present)
  }

  /// The set that a component's weights are from.
  private func letter(_ component: OfficialComponent) throws -> Character? {
    var found: Set<Int> = []
    for name in Self.tensorNames {
      let elements = try #require(try component.weights.elements(of: name))
      found.insert(elements.withFloats { Int($0[0]) })
    }
    return found.count == 1 ? found.first.map { Self.letters[$0].letter } : nil
  }

  @Test(arguments: ["diffusers", "transformers"])
  func takesWhatTheLibraryTakes(_ library: String) throws {
    let store = try store(library)
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SplitMix(seed: seed)
    let subsetCount = facts.reduce(1) { $0 * $1.stateCount }
    for variant in [nil, "fp16"] {
      let key = "\(library) \(variant ?? "plain")"
      let answers = Array(try #require(table[key]?.stringValue))
      try #require(answers.count == subsetCount)
      for _ in 0..<150 {
        let subset = Int.random(in: 0..<subsetCount, using: &random)
        let states = states(of: subset)
        let comment: Comment = "seed \(seed), \(key), subset \(subset): \(states)"
        let (folder, present) = try folder(states, of: store)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let complete = Self.letters.filter {
          $0.fact.hasPrefix("fp16") == (variant != nil) && states[$0.fact] == 1
        }.map(\.letter)
        do {
          let checkpoint = try OfficialCheckpoint(path: folder, variant: variant)
          let component = try #require(checkpoint.components.first)
          let taken = try #require(try letter(component), comment)
          #expect(complete.contains(taken), comment)
          if answers[subset] == "-" {
            // What the library refuses is said to be something else than the library's choice.
            #expect(checkpoint.notices.contains { $0.contains("taken") }, comment)
          } else {
            #expect(taken == answers[subset], comment)
          }
          // Of several complete sets, the others are named.
          #expect(
            checkpoint.notices.count { $0.contains("which is there too") } == complete.count - 1,
            comment)
          if variant == nil {
            let part = try #require(try CheckpointInventory(path: folder).parts.first)
            #expect(
              part.fileSets.first?.fileNames
                == component.weights.sourceFiles.map { URL(filePath: $0.path).lastPathComponent },
              comment)
            #expect(component.notices.allSatisfy(part.notices.contains), comment)
          }
        } catch let error as SanaError {
          #expect(answers[subset] == "-" && complete.isEmpty, "\(error), \(comment)")
          #expect(!error.remedy.isEmpty)
          guard error.message.contains("missing") else { continue }
          let named = error.message.split(separator: "'").first { $0.contains("-of-") }
          #expect(named.map { !present.contains(String($0)) } == true, "\(error), \(comment)")
        }
      }
    }
  }

  @Test func theTableIsOfEverySubset() throws {
    for library in ["diffusers", "transformers"] {
      for (variant, letters) in [("plain", "isb"), ("fp16", "nvw")] {
        let answers = try #require(table["\(library) \(variant)"]?.stringValue)
        #expect(answers.count == facts.reduce(1) { $0 * $1.stateCount })
        #expect(letters.allSatisfy(answers.contains) && answers.contains("-"))
      }
    }
  }
}
