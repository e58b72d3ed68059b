import TestSupport
import CPUBackend
import Foundation
import ReferenceBackend
import SanaEngine
import SanaGraph
import Testing
import WeightFormats

/// Runs a graph on a back end with random inputs, the same for every back end.
func outputs(
  of graph: Graph, on backend: any Backend, weights: MemorySource, seed: UInt64 = 3
) throws -> [Float] {
  try outputs(of: backend.load(weights).prepare(graph), randomInputs(of: graph, seed: seed))
}

/// The first output of a run after one of NaN, so that what is read before it is written would
/// show.
func outputsAfterNaN(
  of graph: Graph, on backend: any Backend, weights: MemorySource, inputs: [HostTensor]
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

/// The arena that is planned for a graph in bands, and prepared.
func arenaBytes(
  of graph: Graph, weights: MemorySource, bandPositions: Int?
) throws -> Int {
  let backend = try CPUBackend(
    threads: 2, instructionSet: .chosen(), bandPositions: bandPositions)
  let planned = try backend.plan(graph, weights: weights).arenaBytes
  #expect(try backend.load(weights).prepare(graph).plan.arenaBytes == planned)
  return planned
}

/// A tensor for each input of a graph, the same for the same shapes.
func randomInputs(of graph: Graph, seed: UInt64 = 3) -> [HostTensor] {
  var random = SplitMix(seed: seed)
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

@Suite struct BackendComparison {
  static let encodings: [TensorEncoding] = [
    .f32, .f16, .bf16, .int8PerChannel, .int8Grouped(groupSize: 24), .int4Grouped(groupSize: 20),
  ]

  private func compare(
    _ operation: OperationCase, on device: TestedDevice, _ encoding: TensorEncoding,
    _ activations: ActivationEncoding = .floatingPoint, precision: ComputePrecision = .auto,
    minimum: Double
  ) throws {
    let graph = operation.graph
    let weights = MemorySource(randomFor: graph, encoding: encoding, activations: activations)
    let expected = try outputs(of: graph, on: device.makeReference(precision), weights: weights)
    let results = try device.makeBackends(precision).map {
      try outputs(of: graph, on: $0, weights: weights)
    }
    let first = try #require(results.first)
    let decibels = signalToNoise(first, expected)
    #expect(decibels >= minimum, "\(operation.name), \(encoding): \(decibels) dB")
    for other in results.dropFirst() {
      #expect(other == first, "\(operation.name) depends on how the device is run")
    }
  }

  @Test(arguments: OperationCase.products, TestedDevice.all)
  func productsAgreeWithTheReferenceInEveryEncoding(
    _ operation: OperationCase, _ device: TestedDevice
  ) throws {
    for encoding in Self.encodings {
      try compare(operation, on: device, encoding, minimum: minimum(encoding, device))
    }
  }

  private func minimum(_ encoding: TensorEncoding, _ device: TestedDevice) -> Double {
    encoding == .bf16 ? device.tolerances.bfloatWeights : device.tolerances.floatingPoint
  }

  @Test(arguments: OperationCase.convolutions, TestedDevice.all)
  func convolutionsAgreeWithTheReference(
    _ operation: OperationCase, _ device: TestedDevice
  ) throws {
    for encoding in [.f32, .bf16, .int8PerChannel, .int4Grouped(groupSize: 20)]
      as [TensorEncoding]
    {
      try compare(operation, on: device, encoding, minimum: minimum(encoding, device))
    }
  }

  @Test(arguments: OperationCase.lookups, TestedDevice.all)
  func lookupsAgreeWithTheReferenceInEveryEncoding(
    _ operation: OperationCase, _ device: TestedDevice
  ) throws {
    let minimum = device.tolerances.floatingPoint
    for encoding in Self.encodings {
      try compare(operation, on: device, encoding, minimum: minimum)
    }
    if device.multipliesInt8 {
      try compare(operation, on: device, .int8PerChannel, .int8PerToken, minimum: minimum)
    }
  }

  @Test(
    arguments: OperationCase.norms + OperationCase.elementwise + OperationCase.attentions,
    TestedDevice.all)
  func otherOperationsAgreeWithTheReference(
    _ operation: OperationCase, _ device: TestedDevice
  ) throws {
    try compare(operation, on: device, .f32, minimum: device.tolerances.floatingPoint)
  }

  @Test(arguments: OperationCase.products, TestedDevice.int8)
  func int8ProductsAreExactInTheirSums(_ operation: OperationCase, _ device: TestedDevice) throws {
    try compare(
      operation, on: device, .int8PerChannel, .int8PerToken,
      minimum: device.tolerances.int8Products)
  }

  @Test(arguments: OperationCase.convolutions, TestedDevice.int8)
  func int8ConvolutionsAreExactInTheirSums(
    _ operation: OperationCase, _ device: TestedDevice
  ) throws {
    for encoding in [.f16, .int8PerChannel, .int8Grouped(groupSize: 24)] as [TensorEncoding] {
      try compare(
        operation, on: device, encoding, .int8PerToken,
        minimum: device.tolerances.int8Convolutions)
    }
  }

  @Test(arguments: OperationCase.products, TestedDevice.all)
  func precisionF32MultipliesInt8WeightsInFloatingPoint(
    _ operation: OperationCase, _ device: TestedDevice
  ) throws {
    try compare(
      operation, on: device, .int8PerChannel, .int8PerToken, precision: .f32,
      minimum: device.tolerances.floatingPoint)
  }
}
