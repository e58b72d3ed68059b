internal import Support

/// A value that a pickle builds. Collections are places in a `PickleHeap`: nothing nests in memory,
/// whatever the file says, and a value that holds itself is no cycle of references.
package enum PickleValue: Sendable {
  case none
  case bool(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  case tuple(Int)
  case list(Int)
  case dictionary(Int)
  case global(PickleGlobal)
  case storage(Int)
  case tensor(Int)
  /// Something that is no part of a tensor: a name that is not looked up, or what a call to it
  /// would have made. Nothing of it is known but that name.
  case opaque(String)

  /// What it is, for errors.
  var kindName: String {
    switch self {
    case .none: "None"
    case .bool: "a truth value"
    case .integer, .number: "a number"
    case .string: "a string"
    case .tuple: "a tuple"
    case .list: "a list"
    case .dictionary: "a dictionary"
    case .global(let global): "'\(global.name)'"
    case .storage: "a storage"
    case .tensor: "a tensor"
    case .opaque(let name): "an object of '\(name.abbreviated)'"
    }
  }

  /// The class of what a call to it would have made.
  var className: String {
    switch self {
    case .none: "NoneType"
    case .bool: "bool"
    case .integer: "int"
    case .number: "float"
    case .string: "str"
    case .tuple: "tuple"
    case .list: "list"
    case .dictionary: "dict"
    case .global(let global): global.name
    case .storage: "torch.Storage"
    case .tensor: "torch.Tensor"
    case .opaque(let name): name
    }
  }
}

/// The names that torch's tensors are written with. None of them is looked up or called: each
/// stands for something that this program does itself. Every other name is opaque.
package enum PickleGlobal: Hashable, Sendable {
  case orderedDictionary
  case rebuildTensor
  case rebuildParameter
  case rebuildParameterWithState
  case rebuildFromType
  case size
  case storage(ScalarType)

  init?(name: String) {
    switch name {
    case "collections.OrderedDict": self = .orderedDictionary
    case "torch._utils._rebuild_tensor_v2": self = .rebuildTensor
    case "torch._utils._rebuild_parameter": self = .rebuildParameter
    case "torch._utils._rebuild_parameter_with_state": self = .rebuildParameterWithState
    case "torch._tensor._rebuild_from_type_v2": self = .rebuildFromType
    case "torch.Size": self = .size
    case "torch.DoubleStorage": self = .storage(.f64)
    case "torch.FloatStorage": self = .storage(.f32)
    case "torch.HalfStorage": self = .storage(.f16)
    case "torch.BFloat16Storage": self = .storage(.bf16)
    case "torch.CharStorage": self = .storage(.i8)
    case "torch.ByteStorage": self = .storage(.u8)
    case "torch.IntStorage": self = .storage(.i32)
    case "torch.LongStorage": self = .storage(.i64)
    case "torch.BoolStorage": self = .storage(.bool)
    default: return nil
    }
  }

  var name: String {
    switch self {
    case .orderedDictionary: "collections.OrderedDict"
    case .rebuildTensor: "torch._utils._rebuild_tensor_v2"
    case .rebuildParameter: "torch._utils._rebuild_parameter"
    case .rebuildParameterWithState: "torch._utils._rebuild_parameter_with_state"
    case .rebuildFromType: "torch._tensor._rebuild_from_type_v2"
    case .size: "torch.Size"
    case .storage: "torch storage type"
    }
  }
}

/// Numbers of one type outside of the pickle.
package struct PickledStorage: Hashable, Sendable {
  /// The name of the archive's entry under `data/`, or of the part behind the pickles.
  package let key: String
  package let type: ScalarType
  package let elementCount: Int
}

/// A view of a storage.
package struct PickledTensor: Hashable, Sendable {
  package let storage: PickledStorage
  /// In elements. Every element lies inside the storage.
  package let offset: Int
  /// The product of the axes is at most 2^40.
  package let shape: [Int]
  /// In elements, one for each axis.
  package let strides: [Int]
  /// Whether the elements lie one after the other, the last axis innermost.
  package let isContiguous: Bool
}

/// Everything that a pickle has built.
package struct PickleHeap: Sendable {
  /// Values in all collections together: 24 bytes each.
  static let itemLimit = 1 << 22

  package private(set) var tuples: [[PickleValue]] = []
  package private(set) var lists: [[PickleValue]] = []
  package private(set) var dictionaries: [[(key: PickleValue, value: PickleValue)]] = []
  package private(set) var storages: [PickledStorage] = []
  package private(set) var tensors: [PickledTensor] = []
  private var itemCount = 0
  /// The file, for errors.
  private let location: String

  init(location: String) { self.location = location }

  /// Makes sure that so many more values may be kept.
  private mutating func reserve(_ count: Int) throws(SanaError) {
    itemCount += count
    guard itemCount <= Self.itemLimit else {
      throw SanaError(
        .malformedFile, "its pickle builds more than \(Self.itemLimit) values",
        remedy: "save the model's state_dict() alone", location: location)
    }
  }

  mutating func makeTuple(_ values: [PickleValue]) throws(SanaError) -> PickleValue {
    try reserve(values.count + 1)
    tuples.append(values)
    return .tuple(tuples.count - 1)
  }

  mutating func makeList(_ values: [PickleValue]) throws(SanaError) -> PickleValue {
    try reserve(values.count + 1)
    lists.append(values)
    return .list(lists.count - 1)
  }

  mutating func makeDictionary() throws(SanaError) -> PickleValue {
    try reserve(1)
    dictionaries.append([])
    return .dictionary(dictionaries.count - 1)
  }

  mutating func makeStorage(_ storage: PickledStorage) throws(SanaError) -> PickleValue {
    try reserve(4)
    storages.append(storage)
    return .storage(storages.count - 1)
  }

  mutating func makeTensor(_ tensor: PickledTensor) throws(SanaError) -> PickleValue {
    try reserve(8 + 2 * tensor.shape.count)
    tensors.append(tensor)
    return .tensor(tensors.count - 1)
  }

  mutating func append(_ values: [PickleValue], toList index: Int) throws(SanaError) {
    try reserve(values.count)
    lists[index] += values
  }

  /// - Parameter values: keys and values by turns.
  mutating func insert(_ values: [PickleValue], inDictionary index: Int) throws(SanaError) {
    try reserve(values.count)
    for pair in stride(from: 0, to: values.count - 1, by: 2) {
      dictionaries[index].append((values[pair], values[pair + 1]))
    }
  }
}
