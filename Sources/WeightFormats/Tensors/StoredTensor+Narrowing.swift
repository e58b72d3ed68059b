extension StoredTensor {
  /// Numbers in a floating-point encoding; in f32 where one of them is too large for it.
  /// - Precondition: `encoding` is f32, f16 or bf16, and there are as many values as the shape has
  ///   elements.
  package init(
    _ name: String, shape: [Int], _ values: [Float], encoding: TensorEncoding
  ) {
    let fits = values.allSatisfy { $0.magnitude < encoding.overflowThreshold }
    let stored = fits ? encoding : .f32
    guard let type = stored.numberType else {
      preconditionFailure("\(stored) is no floating-point encoding")
    }
    let description = TensorDescription(name: name, shape: shape, encoding: stored)
    precondition(description.elementCount == values.count)
    self.init(
      description: description,
      values: TensorBytes(byteCount: description.valueByteCount) { memory in
        values.withUnsafeBufferPointer {
          FloatingPointConversion.narrow($0, to: type, memory)
        }
      })
  }

  /// Integers as they are.
  package init(_ name: String, integers: [Int32]) {
    let description = TensorDescription(
      name: name, shape: [integers.count], encoding: .plain(.i32))
    self.init(
      description: description,
      values: TensorBytes(byteCount: description.valueByteCount) { memory in
        integers.withUnsafeBytes { memory.copyMemory(from: $0) }
      })
  }
}
