internal import Support

/// Which of the dictionaries of weights in a torch file is wanted.
public enum StateSelection: Hashable, Sendable {
  /// The weights as they were trained.
  case model
  /// Their exponential moving average.
  case average
  /// The dictionary of this name.
  case named(String)

  /// - Parameter argument: `model`, `ema`, or a dictionary's own name.
  public init(argument: String) {
    switch argument {
    case "model": self = .model
    case "ema": self = .average
    default: self = .named(argument)
    }
  }
}

/// A dictionary of tensors in a torch file.
public struct StateDictionary: Hashable, Sendable {
  /// The keys that lead to it, with points between them: `state_dict`, `model.state_dict`; empty
  /// for all that the file holds.
  public let name: String
  /// Whether its name says that it is an exponential moving average of weights.
  public let isAverage: Bool
  public let tensorCount: Int
  /// Numbers of all tensors.
  public let parameterCount: Int
  public let byteCount: Int
  /// Where it is in the pickle's heap.
  let index: Int
}

extension StateDictionary: CustomStringConvertible {
  /// `'state_dict_ema' (402 tensors)`.
  public var description: String {
    "'\(name.abbreviated)' (\(tensorCount) tensor\(tensorCount == 1 ? "" : "s"))"
  }
}

/// The dictionaries of weights that a pickle holds, and which of them is taken.
struct StateDictionaries {
  /// How many are listed.
  static let limit = 64

  /// In the order of the file.
  let all: [StateDictionary]
  let taken: StateDictionary
  /// What to say of the choice; `nil` where there was none.
  let notice: String?

  /// - Throws: `.unsupported` where there is no dictionary of tensors; `.invalidArgument` where the
  ///   wanted one is not there, or none is wanted and several are alike.
  init(
    of root: PickleValue, in heap: PickleHeap, selection: StateSelection?, location: String
  ) throws(SanaError) {
    guard case .dictionary(let rootIndex) = root else {
      throw SanaError(
        .unsupported, "holds \(root.kindName), not a dictionary of tensors",
        remedy: "save the model's state_dict() alone", location: location)
    }
    let found = Self.find(from: rootIndex, in: heap)
    all = found
    guard !found.isEmpty else {
      let names = heap.dictionaries[rootIndex].prefix(6).compactMap { key, _ in
        if case .string(let name) = key { "'\(name.abbreviated)'" } else { nil }
      }
      throw SanaError(
        .unsupported,
        "holds no dictionary of tensors"
          + (names.isEmpty ? "" : ", only \(names.joined(separator: ", "))"),
        remedy: "save the model's state_dict() alone", location: location)
    }
    let list = found.prefix(6).map(\.description).joined(separator: ", ")
    func missing(_ what: String, remedy: String) -> SanaError {
      SanaError(
        .invalidArgument, "holds no \(what), but \(list)", remedy: remedy, location: location)
    }
    let models = found.filter { !$0.isAverage }
    let averages = found.filter(\.isAverage)
    switch selection {
    case .named(let name):
      guard let named = found.first(where: { $0.name == name }) else {
        throw missing(
          "dictionary of tensors '\(name.abbreviated)'",
          remedy: "name one of these with --state, or drop --state")
      }
      (taken, notice) = (named, nil)
    case .average:
      guard let average = averages.first else {
        throw missing("moving average of weights", remedy: "drop --state")
      }
      (taken, notice) = (average, nil)
    case .model:
      guard let model = Self.preferred(models) else {
        throw missing("weights but their moving average", remedy: "use --state ema")
      }
      (taken, notice) = (model, nil)
    case nil where models.isEmpty:
      taken = averages[0]
      notice = "holds a moving average of weights only, \(averages[0]): it is taken"
    case nil:
      guard let model = Self.preferred(models) else {
        throw SanaError(
          .invalidArgument, "holds several dictionaries of tensors: \(list)",
          remedy: "name one of them with --state", location: location)
      }
      taken = model
      let others = found.filter { $0.name != model.name }
      let other =
        averages.first.map { "\($0), which --state ema takes" }
        ?? others.first.map { "\($0), which --state '\($0.name.abbreviated)' takes" }
      notice = other.map { "\(model) is taken; the file also holds \($0)" }
    }
  }

  /// Names that trainers give to the weights themselves, those preferred first.
  private static let modelNames = [
    "", "state_dict", "model_state_dict", "model", "module", "params", "net", "network",
    "transformer", "weights",
  ]

  /// The one to take where no average is wanted: the only one, or the one whose name says that it
  /// is the model.
  private static func preferred(_ models: [StateDictionary]) -> StateDictionary? {
    guard models.count > 1 else { return models.first }
    func rank(_ name: String) -> Int? {
      let keys = name.split(separator: ".").map(String.init)
      let ranks = keys.map { modelNames.firstIndex(of: $0) }
      return ranks.contains(nil) ? nil : ranks.compactMap { $0 }.reduce(0, +) + keys.count
    }
    return models.filter { rank($0.name) != nil }
      .min { (rank($0.name) ?? 0, $0.name) < (rank($1.name) ?? 0, $1.name) }
  }

  private static func isAverage(_ keys: [String]) -> Bool {
    keys.contains { key in
      key.lowercased().split { !$0.isLetter }.contains { $0 == "ema" || $0 == "averaged" }
    }
  }

  /// The whole where it is one of tensors, else those under one or two of its keys.
  private static func find(from root: Int, in heap: PickleHeap) -> [StateDictionary] {
    let whole = tally(root, named: [], in: heap)
    if whole.isAllTensors { return [whole.dictionary] }
    var found: [StateDictionary] = []
    // However often a dictionary is referred to, it is looked at once.
    var seen: Set<Int> = [root]
    var level = [(keys: [String](), index: root)]
    for _ in 0..<2 {
      var next: [(keys: [String], index: Int)] = []
      for (keys, index) in level {
        for (key, value) in heap.dictionaries[index] {
          guard case .string(let name) = key, case .dictionary(let inner) = value,
            seen.insert(inner).inserted
          else { continue }
          let tally = tally(inner, named: keys + [name], in: heap)
          if tally.isAllTensors && tally.holdsWeights
            || tally.holdsTensors && modelNames.contains(name)
            || tally.holdsTensors && isAverage([name])
          {
            if found.count < limit { found.append(tally.dictionary) }
          } else {
            next.append((keys + [name], inner))
          }
        }
      }
      level = next
    }
    return found.isEmpty && whole.holdsTensors ? [whole.dictionary] : found
  }

  private struct Tally {
    let dictionary: StateDictionary
    let isAllTensors: Bool
    let holdsTensors: Bool
    /// Whether some of the tensors are floating-point numbers: states of random generators are
    /// bytes.
    let holdsWeights: Bool
  }

  private static func tally(_ index: Int, named keys: [String], in heap: PickleHeap) -> Tally {
    var tensors = 0
    var parameters = 0
    var bytes = 0
    var holdsWeights = false
    var isAllTensors = true
    for (key, value) in heap.dictionaries[index] {
      guard case .string = key, case .tensor(let tensor) = value else {
        isAllTensors = false
        continue
      }
      let count = heap.tensors[tensor].shape.reduce(1, *)
      let type = heap.tensors[tensor].storage.type
      tensors += 1
      parameters &+= count
      bytes &+= count &* type.byteCount
      holdsWeights = holdsWeights || type.isFloatingPoint
    }
    return Tally(
      dictionary: StateDictionary(
        name: keys.joined(separator: "."), isAverage: isAverage(keys), tensorCount: tensors,
        parameterCount: parameters, byteCount: bytes, index: index),
      isAllTensors: isAllTensors, holdsTensors: tensors > 0, holdsWeights: holdsWeights)
  }
}
