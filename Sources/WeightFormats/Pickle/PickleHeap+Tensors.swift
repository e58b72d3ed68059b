internal import Support

/// What torch's own names in a pickle make.
extension PickleHeap {
  static let rankLimit = 16

  /// What a call of a function makes, without calling it: known are those that put tensors
  /// together.
  /// - Parameter bytes: where the pickle is, for errors.
  /// - Throws: `.malformedFile` where a tensor is put together from something impossible.
  mutating func call(
    _ function: PickleValue, _ arguments: PickleValue, at bytes: PickleBytes
  ) throws(SanaError) -> PickleValue {
    guard case .global(let global) = function else { return .opaque(function.className) }
    let values = tuple(arguments) ?? []
    switch global {
    case .orderedDictionary:
      if values.isEmpty { return try makeDictionary() }
      if let pairs = values.first.flatMap(pairs), values.count == 1 {
        let dictionary = try makeDictionary()
        if case .dictionary(let index) = dictionary { try insert(pairs, inDictionary: index) }
        return dictionary
      }
    case .rebuildTensor where (6...7).contains(values.count):
      return try tensor(values, at: bytes)
    // (data, requires_grad, backward_hooks), and with it attributes.
    case .rebuildParameter where values.count == 3,
      .rebuildParameterWithState where values.count == 4:
      return values[0]
    // (function, type, arguments, state): a tensor of a class of its own, or with attributes.
    case .rebuildFromType where values.count == 4:
      if case .global(.rebuildTensor) = values[0], let inner = tuple(values[2]),
        (6...7).contains(inner.count)
      {
        return try tensor(inner, at: bytes)
      }
    case .size where values.count == 1:
      if sizes(values[0]) != nil { return values[0] }
    case .rebuildTensor, .rebuildParameter, .rebuildParameterWithState, .rebuildFromType, .size,
      .storage:
      break
    }
    return .opaque(global.name)
  }

  /// `('storage', torch.FloatStorage, '0', 'cpu', 6)`: numbers outside of the pickle; files of
  /// PyTorch before 1.6 add the part of another storage that this one is, or `None`.
  mutating func storage(
    _ identifier: PickleValue, at bytes: PickleBytes
  ) throws(SanaError) -> PickleValue {
    guard let parts = tuple(identifier), case .string(let kind)? = parts.first else {
      throw bytes.malformed("refers to a storage in an unknown way")
    }
    // A module's source code, for one.
    guard kind == "storage" else { return .opaque(kind) }
    guard (5...6).contains(parts.count), case .string(let key) = parts[2],
      case .string = parts[3], case .integer(let count) = parts[4], (0...1 << 40).contains(count)
    else { throw bytes.malformed("refers to a storage in an unknown way") }
    guard case .global(.storage(let type)) = parts[1] else { return .opaque(parts[1].className) }
    if parts.count == 6 {
      guard case .none = parts[5] else { return .opaque("a part of a \(parts[1].className)") }
    }
    return try makeStorage(PickledStorage(key: key, type: type, elementCount: Int(count)))
  }

  /// `_rebuild_tensor_v2(storage, storage_offset, size, stride, requires_grad, backward_hooks,
  /// metadata)`.
  private mutating func tensor(
    _ values: [PickleValue], at bytes: PickleBytes
  ) throws(SanaError) -> PickleValue {
    if case .opaque = values[0] { return values[0] }
    guard case .storage(let index) = values[0], case .integer(let offset) = values[1],
      (0...1 << 40).contains(offset), let shape = sizes(values[2]), let strides = sizes(values[3]),
      shape.count == strides.count
    else {
      throw bytes.malformed("rebuilds a tensor from something else than a storage and sizes")
    }
    let storage = storages[index]
    var step = 1
    var last = Int(offset)
    var isContiguous = true
    for (size, stride) in zip(shape, strides).reversed() {
      isContiguous = isContiguous && (size <= 1 || stride == step)
      let (product, overflow) = step.multipliedReportingOverflow(by: max(size, 1))
      let (reach, farOverflow) = max(size - 1, 0).multipliedReportingOverflow(by: stride)
      guard !overflow, product <= 1 << 40, !farOverflow, reach <= 1 << 40 else {
        throw bytes.malformed("rebuilds a tensor that is too large")
      }
      step = product
      last += reach
    }
    let isEmpty = shape.contains(0)
    guard isEmpty ? Int(offset) <= storage.elementCount : last < storage.elementCount else {
      throw bytes.malformed("rebuilds a tensor that reaches beyond its storage")
    }
    return try makeTensor(
      PickledTensor(
        storage: storage, offset: Int(offset), shape: shape, strides: strides,
        isContiguous: isContiguous || isEmpty))
  }

  private func tuple(_ value: PickleValue) -> [PickleValue]? {
    if case .tuple(let index) = value { tuples[index] } else { nil }
  }

  private func sizes(_ value: PickleValue) -> [Int]? {
    guard let values = tuple(value), values.count <= Self.rankLimit else { return nil }
    var sizes: [Int] = []
    for value in values {
      guard case .integer(let size) = value, (0...1 << 40).contains(size) else { return nil }
      sizes.append(Int(size))
    }
    return sizes
  }

  /// Keys and values by turns of a list of pairs, which is how Python 2 wrote an `OrderedDict`.
  private func pairs(_ value: PickleValue) -> [PickleValue]? {
    guard case .list(let index) = value else { return nil }
    var values: [PickleValue] = []
    for item in lists[index] {
      let pair: [PickleValue]
      switch item {
      case .tuple(let index): pair = tuples[index]
      case .list(let index): pair = lists[index]
      default: return nil
      }
      guard pair.count == 2 else { return nil }
      values += pair
    }
    return values
  }
}
