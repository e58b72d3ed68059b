import CPUBackend
import Foundation
import ReferenceBackend
import SanaEngine
import SanaGraph
import Testing
import WeightFormats

/// Runs a graph on a back end with random inputs, the same for every back end.
func outputs(
  of graph: Graph, on backend: some Backend, weights: RandomWeights, seed: UInt64 = 3
) throws -> [Float] {
  try outputs(of: backend.load(weights).prepare(graph), randomInputs(of: graph, seed: seed))
}

/// The first output of a run after one of NaN, so that what is read before it is written would show.
func outputsAfterNaN(
  of graph: Graph, on backend: some Backend, weights: RandomWeights, inputs: [HostTensor]
) throws -> [Float] {
  let executable = try backend.load(weights).prepare(graph)
  for input in graph.inputs where graph[input].precision == .f32 {
    let shape = graph[input].shape
    executable.write(
      HostTensor(shape, [Float](repeating: .nan, count: shape.elementCount)), to: input)
  }
  try executable.run(observer: nil)
  return try outputs(of: executable, inputs)
}

/// A tensor for each input of a graph, the same for the same shapes.
func randomInputs(of graph: Graph, seed: UInt64 = 3) -> [HostTensor] {
  var random = RandomNumbers(seed: seed)
  return graph.inputs.map { input in
    let shape = graph[input].shape
    guard graph[input].precision == .i32 else {
      return HostTensor(shape, random.floats(shape.elementCount))
    }
    return HostTensor(
      shape,
      integers: (0..<shape.elementCount).map { _ in Int32.random(in: -1...44, using: &random) })
  }
}

private func outputs(of executable: any Executable, _ inputs: [HostTensor]) throws -> [Float] {
  let graph = executable.graph
  for (input, tensor) in zip(graph.inputs, inputs) { executable.write(tensor, to: input) }
  try executable.run(observer: nil)
  return executable.read(graph.outputs[0]).values
}

/// `10 log10(sum(r^2) / sum((r - x)^2))`
func signalToNoise(_ values: [Float], _ reference: [Float]) -> Double {
  var signal = 0.0
  var noise = 0.0
  for (value, truth) in zip(values, reference) {
    signal += Double(truth) * Double(truth)
    noise += (Double(value) - Double(truth)) * (Double(value) - Double(truth))
  }
  return values.count == reference.count ? 10 * log10(signal / noise) : -.infinity
}

extension InstructionSet {
  /// How near 3x3 convolutions of int8 activations are to their definition. The transforms of F(4x4, 3x3) round: so a number that lies between
  /// two codes, of 12 bits or so, may become either.
  var int8ConvolutionAgreement: Double { winogradTile == .fourByFour ? 85 : 110 }
}

@Suite struct BackendComparison {
  static let encodings: [TensorEncoding] = [
    .f32, .f16, .bf16, .int8PerChannel, .int8Grouped(groupSize: 24), .int4Grouped(groupSize: 20),
  ]

  private func compare(
    _ operation: OperationCase, _ set: InstructionSet, _ encoding: TensorEncoding,
    _ activations: ActivationEncoding = .floatingPoint, minimum: Double = 110
  ) throws {
    let graph = operation.graph
    let weights = RandomWeights(for: graph, encoding: encoding, activations: activations)
    let expected = try outputs(
      of: graph, on: ReferenceBackend(winograd: set.winogradTile), weights: weights)
    let actual = try outputs(
      of: graph, on: CPUBackend(threads: 3, instructionSet: set), weights: weights)
    let decibels = signalToNoise(actual, expected)
    #expect(decibels >= minimum, "\(operation.name), \(encoding): \(decibels) dB")
    let alone = try outputs(
      of: graph, on: CPUBackend(threads: 1, instructionSet: set), weights: weights)
    #expect(alone == actual, "\(operation.name) depends on the number of threads")
  }

  @Test(arguments: OperationCase.products, InstructionSet.supported)
  func productsAgreeWithTheReferenceInEveryEncoding(
    _ operation: OperationCase, _ set: InstructionSet
  ) throws {
    for encoding in Self.encodings {
      try compare(operation, set, encoding, minimum: minimum(encoding, set))
    }
  }

  /// Where activations are rounded to bf16, each product is off by up to 2^-9; where they and the weights become int16, by up to 2^-12 of the
  /// largest ones.
  private func minimum(_ encoding: TensorEncoding, _ set: InstructionSet) -> Double {
    switch (encoding, set) {
    case (.bf16, .avx512bf16): 50
    case (.bf16, .avx2): 60
    default: 110
    }
  }

  @Test(arguments: OperationCase.convolutions, InstructionSet.supported)
  func convolutionsAgreeWithTheReference(_ operation: OperationCase, _ set: InstructionSet) throws {
    for encoding in [.f32, .bf16, .int8PerChannel, .int4Grouped(groupSize: 20)]
      as [TensorEncoding]
    {
      try compare(operation, set, encoding, minimum: minimum(encoding, set))
    }
  }

  @Test(arguments: OperationCase.lookups, InstructionSet.supported)
  func lookupsAgreeWithTheReferenceInEveryEncoding(
    _ operation: OperationCase, _ set: InstructionSet
  ) throws {
    for encoding in Self.encodings { try compare(operation, set, encoding) }
    try compare(operation, set, .int8PerChannel, .int8PerToken)
  }

  @Test(
    arguments: OperationCase.norms + OperationCase.elementwise + OperationCase.attentions,
    InstructionSet.supported)
  func otherOperationsAgreeWithTheReference(
    _ operation: OperationCase, _ set: InstructionSet
  ) throws {
    try compare(operation, set, .f32)
  }

  @Test(arguments: OperationCase.products, InstructionSet.supported)
  func int8ProductsAreExactInTheirSums(_ operation: OperationCase, _ set: InstructionSet) throws {
    // What is left is the rounding of the scales, of the sum as f32 and of the epilogue.
    try compare(operation, set, .int8PerChannel, .int8PerToken, minimum: 125)
  }

  @Test(arguments: OperationCase.convolutions, InstructionSet.supported)
  func int8ConvolutionsAreExactInTheirSums(
    _ operation: OperationCase, _ set: InstructionSet
  ) throws {
    for encoding in [.f16, .int8PerChannel, .int8Grouped(groupSize: 24)] as [TensorEncoding] {
      try compare(operation, set, encoding, .int8PerToken, minimum: set.int8ConvolutionAgreement)
    }
  }

  @Test(arguments: OperationCase.products)
  func precisionF32MultipliesInt8WeightsInFloatingPoint(_ operation: OperationCase) throws {
    let graph = operation.graph
    let weights = RandomWeights(
      for: graph, encoding: .int8PerChannel, activations: .int8PerToken)
    let expected = try outputs(
      of: graph, on: ReferenceBackend(precision: .f32), weights: weights)
    let actual = try outputs(
      of: graph, on: CPUBackend(threads: 2, precision: .f32), weights: weights)
    #expect(signalToNoise(actual, expected) >= 110)
  }
}
