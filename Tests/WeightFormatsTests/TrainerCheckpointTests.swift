import Support
import TestSupport
import Testing
import WeightFormats

/// Files of `torch.save` that hold more than the weights.
@Suite struct TrainerCheckpointTests {
  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  /// One dictionary entry with a tensor of two bytes or floats.
  private static func weights(_ pickle: inout PickleSample, _ name: String, key: Int) {
    pickle.string(name)
    pickle.code(0x7D)
    pickle.string("w")
    pickle.tensor([2], storage: "HalfStorage", key: "\(key)", count: 2)
    pickle.code(0x73, 0x73)
  }

  private static let storages: [[UInt8]] = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 9, 9]]

  /// `{"state_dict": ..., "state_dict_ema": ..., "optimizer": ..., "epoch": 3, "rng_state": ...}`,
  /// with what NumPy, Python and torch keep as the states of their random generators.
  private static func trainerFile(_ names: [String]) -> [UInt8] {
    let pickle = PickleSample.of { pickle in
      pickle.code(0x7D)
      for (key, name) in names.enumerated() { weights(&pickle, name, key: key) }
      pickle.string("optimizer")
      pickle.code(0x7D)
      pickle.string("state")
      pickle.code(0x7D)
      pickle.integer(0)
      pickle.code(0x7D)
      pickle.string("exp_avg")
      pickle.tensor([2], storage: "HalfStorage", key: "2", count: 2)
      pickle.code(0x73, 0x73, 0x73, 0x73)
      pickle.string("epoch")
      pickle.integer(3)
      pickle.code(0x73)
      pickle.string("step")
      pickle.global("numpy._core.multiarray", "scalar")
      pickle.call("numpy", "dtype", with: ["i8"])
      pickle.code(0x28)
      pickle.integer(3)
      pickle.string("<")
      pickle.code(0x4E, 0x4E, 0x4E, 0x74, 0x62)
      pickle.call("_codecs", "encode", with: ["\u{88}\u{13}", "latin1"])
      pickle.code(0x86, 0x52, 0x73)
      pickle.string("rng_state")
      pickle.code(0x7D)
      pickle.string("torch")
      pickle.tensor([4], storage: "ByteStorage", key: "2", count: 4)
      pickle.code(0x73)
      pickle.string("numpy")
      pickle.string("MT19937")
      pickle.call("numpy._core.multiarray", "_reconstruct", with: ["ndarray"])
      pickle.code(0x28, 0x43, 2, 1, 2, 0x74, 0x62, 0x86, 0x73)
      pickle.string("python")
      pickle.integers([3, 1, 2])
      pickle.code(0x73, 0x73)
    }
    return TorchSample.file(pickle, storages: storages)
  }

  private func open(
    _ names: [String], _ selection: StateSelection? = nil
  ) throws -> TorchFile {
    try TorchFile(
      path: directory.write(Self.trainerFile(names), to: "epoch_3.pth"), selection: selection)
  }

  private func bytes(_ file: TorchFile) throws -> [UInt8]? {
    try file.elements(of: "w")?.bytes.array
  }

  @Test func theTrainedWeightsAreTakenAndTheAverageIsNamed() throws {
    let file = try open(["state_dict", "state_dict_ema"])
    #expect(file.tensors.map(\.name) == ["w"])
    #expect(try bytes(file) == Self.storages[0])
    #expect(
      file.notice
        == "'state_dict' (1 tensor) is taken; the file also holds 'state_dict_ema' (1 tensor), which --state ema takes"
    )
    #expect(file.dictionaries.map(\.name) == ["state_dict", "state_dict_ema"])
    #expect(file.dictionaries.map(\.isAverage) == [false, true])
    #expect(file.dictionaries.map(\.byteCount) == [4, 4])
    #expect(file.sourceFiles.map(\.dictionary) == ["state_dict"])
  }

  @Test func oneOfThemCanBeChosen() throws {
    let names = ["state_dict_ema", "state_dict"]
    #expect(try bytes(open(names, .average)) == Self.storages[0])
    #expect(try bytes(open(names, .model)) == Self.storages[1])
    #expect(try bytes(open(names, .named("state_dict"))) == Self.storages[1])
    #expect(try open(names, .model).notice == nil)
    for (names, selection) in [
      (["state_dict"], StateSelection.average), (["state_dict_ema"], .model),
      (["state_dict"], .named("w")),
    ] {
      let error = try #require(throws: SanaError.self) { try open(names, selection) }
      #expect(error.code == .invalidArgument)
      #expect(error.message.contains("but '\(names[0])' (1 tensor)"))
    }
    #expect(StateSelection(argument: "ema") == .average)
    #expect(StateSelection(argument: "model") == .model)
    #expect(StateSelection(argument: "params") == .named("params"))
  }

  @Test func anAverageAloneIsTakenAndThatIsSaid() throws {
    let file = try open(["state_dict_ema"])
    #expect(try bytes(file) == Self.storages[0])
    #expect(file.notice?.contains("moving average of weights only, 'state_dict_ema'") == true)
  }

  @Test(arguments: [
    (["model"], "model"), (["module"], "module"), (["anything"], "anything"),
    (["generator", "model"], "model"), (["module", "state_dict"], "state_dict"),
  ])
  func otherTrainersNamesAreFound(_ names: [String], _ taken: String) throws {
    #expect(try open(names).dictionary.name == taken)
  }

  @Test func severalAlikeAreNamedAndNoneIsTaken() throws {
    let error = try #require(throws: SanaError.self) { try open(["generator", "critic"]) }
    #expect(error.message.contains("'generator' (1 tensor), 'critic' (1 tensor)"))
    #expect(error.remedy.contains("--state"))
    #expect(try open(["generator", "critic"], .named("critic")).dictionary.name == "critic")
  }

  @Test func dictionariesInDictionariesAreFound() throws {
    let pickle = PickleSample.of { pickle in
      pickle.code(0x7D)
      pickle.string("model")
      pickle.code(0x7D)
      Self.weights(&pickle, "state_dict", key: 0)
      Self.weights(&pickle, "ema", key: 1)
      pickle.code(0x73)
    }
    let path = try directory.write(
      TorchSample.file(pickle, storages: Self.storages), to: "x.pth")
    #expect(try TorchFile(path: path).dictionary.name == "model.state_dict")
    #expect(try bytes(TorchFile(path: path, selection: .average)) == Self.storages[1])
  }

  @Test func aFileWithoutWeightsSaysWhatItHolds() throws {
    let error = try #require(throws: SanaError.self) { try open([]) }
    #expect(
      error.message
        == "holds no dictionary of tensors, only 'optimizer', 'epoch', 'step', 'rng_state'")
  }

  /// A million references to one dictionary of a million entries would be 10^12 looks.
  @Test func sharedDictionariesAreLookedAtOnce() throws {
    let count = 20_000
    let pickle = PickleSample.of { pickle in
      pickle.code(0x7D, 0x28)
      pickle.string("a")
      pickle.code(0x7D, 0x71, 0, 0x28)
      for _ in 0..<count { pickle.code(0x4B, 1, 0x4E) }
      pickle.code(0x75)
      for _ in 0..<count {
        pickle.code(0x8C, 1, 0x62)
        pickle.code(0x68, 0)
      }
      pickle.code(0x75)
    }
    let path = try directory.write(TorchSample.file(pickle), to: "x.pth")
    #expect(throws: SanaError.self) { try TorchFile(path: path) }
  }

  @Test func filesOfOlderPyTorchAreRead() throws {
    let pickle = PickleSample.of {
      $0.code(0x7D)
      $0.string("a")
      $0.tensor([2], storage: "HalfStorage", key: "0", count: 3, offset: 1, isLegacy: true)
      $0.code(0x73)
      $0.string("b")
      $0.tensor([2, 1], storage: "ByteStorage", key: "1", count: 2, isLegacy: true)
      $0.code(0x73)
    }
    let storages: [(count: Int, bytes: [UInt8])] = [(3, [1, 2, 3, 4, 5, 6]), (2, [7, 8])]
    let contents = TorchSample.legacyFile(pickle, storages: storages)
    let path = try directory.write(contents, to: "x.pth")
    let file = try TorchFile(path: path)
    #expect(try file.elements(of: "a")?.bytes.array == [3, 4, 5, 6])
    #expect(try file.elements(of: "b")?.bytes.array == [7, 8])
    for damaged in [
      Array(contents.dropLast()), contents + [0], Array(contents.prefix(60)),
      TorchSample.legacyFile(pickle, storages: [storages[0]]),
      TorchSample.legacyFile(pickle, storages: [storages[0], (1 << 62, [7, 8])]),
      TorchSample.legacyFile(pickle, storages: storages + [(0, [])]),
    ] {
      let path = try directory.write(damaged, to: "damaged.pth")
      #expect(throws: SanaError.self) { try TorchFile(path: path) }
    }
  }
}
