internal import Support
internal import TestSupport
internal import WeightFormats

/// A byte that says what follows: 0 a whole file; 1 a pickle; 2 the count of the pickle's bytes (u16), the pickle, and the bytes of
/// two storages, from which a file with right checksums is made; 3 the count of changes, for each an offset from the end of such a
/// file (u16) and a byte, and the rest as in 2.
struct TorchTarget: FuzzTarget {
  func run(_ input: [UInt8]) {
    guard let kind = input.first else { return }
    let rest = Array(input.dropFirst())
    switch kind & 3 {
    case 0: read(rest)
    case 1: follow(rest)
    case 2: read(Self.file(rest))
    default:
      guard let count = rest.first.map({ Int($0 & 7) }), rest.count > 3 * count + 2
      else { return }
      var file = Self.file(Array(rest.dropFirst(1 + 3 * count)))
      for change in 0..<count {
        let at = Int(rest[1 + 3 * change]) | Int(rest[2 + 3 * change]) << 8
        file[file.count - 1 - at % file.count] = rest[3 + 3 * change]
      }
      read(file)
    }
  }

  private static func file(_ input: [UInt8]) -> [UInt8] {
    guard input.count >= 2 else { return [] }
    let count = Int(input[0]) | Int(input[1]) << 8
    let pickle = Array(input.dropFirst(2).prefix(count))
    let data = Array(input.dropFirst(2 + count))
    return TorchSample.file(
      pickle,
      storages: [Array(data.prefix(data.count / 2)), Array(data.dropFirst(data.count / 2))],
      isZip64: count & 1 == 1)
  }

  private func follow(_ pickle: [UInt8]) {
    let file = MappedFile(contents: pickle, path: "fuzz")
    withExtendedLifetime(file) {
      guard let (_, heap) = try? PickleMachine.run(file.bytes, location: "fuzz") else { return }
      for tensor in heap.tensors where !tensor.shape.contains(0) {
        let last = zip(tensor.shape, tensor.strides).reduce(tensor.offset) {
          $0 + ($1.0 - 1) * $1.1
        }
        precondition(last < tensor.storage.elementCount)
      }
    }
  }

  private func read(_ contents: [UInt8]) {
    guard let file = try? TorchFile(MappedFile(contents: contents, path: "fuzz")) else { return }
    for tensor in file.tensors {
      guard let elements = try? file.elements(of: tensor.name) else { continue }
      withExtendedLifetime(elements.bytes) {
        precondition(elements.bytes.bytes.count == tensor.byteCount)
        touch(elements.bytes.bytes)
      }
    }
  }

  func mutate(_ input: [UInt8], _ mutator: inout Mutator) -> [UInt8] {
    guard let kind = input.first, mutator.chance(7, of: 8) else { return mutator.mutate(input) }
    let rest = Array(input.dropFirst())
    switch kind & 3 {
    case 1: return [kind] + mutatePickle(rest, &mutator)
    case 2 where rest.count > 2:
      let count = min(Int(rest[0]) | Int(rest[1]) << 8, rest.count - 2)
      let pickle = mutatePickle(Array(rest[2..<2 + count]), &mutator)
      guard pickle.count < 1 << 16 else { return input }
      return [kind] + littleEndian(UInt16(pickle.count)) + pickle + rest[(2 + count)...]
    default: return mutator.mutate(input)
    }
  }

  /// Instructions at a place where one begins, more or less, or other bytes.
  private func mutatePickle(_ pickle: [UInt8], _ mutator: inout Mutator) -> [UInt8] {
    guard mutator.chance(1, of: 2), pickle.count > 2 else { return mutator.mutate(pickle) }
    var snippet = PickleSample()
    switch mutator.below(6) {
    case 0:
      snippet.tensor(
        (0..<mutator.below(4)).map { _ in Int(mutator.number(near: 2)) },
        storage: mutator.pick(["FloatStorage", "ByteStorage", "HalfStorage", "DoubleStorage"]),
        key: mutator.pick(["0", "1", "2"]), count: Int(mutator.number(near: 4)),
        offset: Int(mutator.number()))
    case 1: snippet.integer(Int(mutator.number()))
    case 2: snippet.string(mutator.pick(["a", "state_dict", "", "0", "storage", "é"]))
    case 3:
      snippet.global("torch", mutator.pick(["FloatStorage", "Size", "_utils._rebuild_parameter"]))
    case 4: snippet.global(mutator.pick(["collections", "numpy"]), "OrderedDict")
    default:
      for _ in 0..<1 + mutator.below(4) {
        snippet.code(
          mutator.pick([
            0x28, 0x29, 0x30, 0x31, 0x32, 0x4E, 0x51, 0x52, 0x5D, 0x61, 0x62, 0x64, 0x65, 0x6C,
            0x73, 0x74, 0x75, 0x7D, 0x81, 0x82, 0x85, 0x86, 0x87, 0x88, 0x8F, 0x90, 0x91, 0x92,
            0x93, 0x94, 0x43, 0x49, 0x4C, 0x50, 0x55, 0x67, 0x69, 0x6F, 0x70, 0x8B, 0x96,
          ]))
      }
    }
    var changed = pickle
    changed.insert(contentsOf: snippet.bytes.dropFirst(2), at: 2 + mutator.below(pickle.count - 2))
    return changed
  }

  func seeds() -> [[UInt8]] {
    let pickle = PickleSample.of {
      $0.code(0x7D, 0x28)
      $0.string("a")
      $0.tensor([2, 3], storage: "HalfStorage", key: "0", count: 6)
      $0.string("b")
      $0.tensor([3], storage: "ByteStorage", key: "1", count: 12, offset: 2)
      $0.code(0x75)
    }
    let parts = littleEndian(UInt16(pickle.count)) + pickle + [UInt8](0..<24)
    let tensors = [
      (CheckpointTensor(name: "a", type: .bf16, shape: [2, 3]), [UInt8](0..<12)),
      (CheckpointTensor(name: "b", type: .f32, shape: [1]), [1, 2, 3, 4]),
    ]
    let legacy = TorchSample.legacyFile(
      PickleSample.of {
        $0.code(0x7D)
        $0.string("a")
        $0.tensor([2], storage: "HalfStorage", key: "0", count: 3, offset: 1, isLegacy: true)
        $0.code(0x73)
      }, storages: [(3, [1, 2, 3, 4, 5, 6])])
    var unchecked = ZipSample.Entry("x/data.pkl", pickle)
    unchecked.checksum = 0
    return [
      [0] + TorchSample.file(tensors), [0] + TorchSample.file(tensors, isZip64: true),
      [0] + ZipSample.archive([unchecked, .init("x/data/0", [UInt8](0..<12))]), [1] + pickle,
      [2] + parts, [3, 1, 10, 0, 3] + parts, [0] + legacy,
    ]
  }
}
