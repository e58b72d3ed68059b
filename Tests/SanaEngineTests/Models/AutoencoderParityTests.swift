import SanaEngine
import SanaGraph
import SanaModels
import TestSupport
import Testing
import Traces

/// DC-AE, both ways, against PyTorch's traces.
@Suite struct AutoencoderParityTests {
  private static let notValues: Set<String> = [
    "input", "image_uint8", "image_float_tiled", "image_resized_300x200",
  ]

  @Test(arguments: TestedBackend.allCases, RecordedNetwork.names)
  func everyValueOfTheDecoder(backend: TestedBackend, name: String) throws {
    try compareDecoder(backend, name, .observable) { compared, recorded in
      #expect(compared == recorded.subtracting(Self.notValues))
    }
  }

  /// As pictures are decoded: fewer values can be observed.
  @Test(arguments: TestedBackend.allCases, RecordedNetwork.names)
  func theFusedDecodersImage(backend: TestedBackend, name: String) throws {
    try compareDecoder(backend, name, .full) { compared, _ in
      #expect(compared.contains("image_float"))
    }
  }

  private func compareDecoder(
    _ backend: TestedBackend, _ name: String, _ fusion: GraphBuilder.Fusion,
    _ check: (_ compared: Set<String>, _ recorded: Set<String>) -> Void
  ) throws {
    for network in try RecordedNetwork.all(name) {
      guard let (configuration, model) = try network.load(.autoencoder, on: backend),
        case .autoencoder(let configuration) = configuration
      else { continue }
      for path in try network.cases where network.trace.contains("\(path)/decode/input") {
        let group = "\(path)/decode"
        let latents = try network.recorded("\(group)/input")
        let decoder = AutoencoderDecoder(configuration).graph(
          height: latents.shape.height, width: latents.shape.width, batch: latents.shape.batch,
          fusion: fusion)
        let executable = try model.prepare(decoder.graph)
        executable.write(latents, to: decoder.latents)
        let compared = try network.run(executable, comparingWith: group)
        check(compared, Set(try network.trace.entries(of: group).map(\.name)))
      }
    }
  }

  @Test(arguments: TestedBackend.allCases, RecordedNetwork.names)
  func everyValueOfTheEncoder(backend: TestedBackend, name: String) throws {
    try compareEncoder(backend, name, .observable) { compared, recorded in
      #expect(compared == recorded.subtracting(Self.notValues))
    }
  }

  @Test(arguments: TestedBackend.allCases, RecordedNetwork.names)
  func theFusedEncodersLatents(backend: TestedBackend, name: String) throws {
    try compareEncoder(backend, name, .full) { compared, _ in #expect(compared.contains("latent")) }
  }

  private func compareEncoder(
    _ backend: TestedBackend, _ name: String, _ fusion: GraphBuilder.Fusion,
    _ check: (_ compared: Set<String>, _ recorded: Set<String>) -> Void
  ) throws {
    for network in try RecordedNetwork.all(name) {
      guard let (configuration, model) = try network.load(.autoencoder, on: backend),
        case .autoencoder(let configuration) = configuration
      else { continue }
      for path in try network.cases where network.trace.contains("\(path)/encode") {
        let group = "\(path)/encode"
        let pixels = try network.trace.uint8("\(group)/image_uint8")
        let image = RGBImage(
          width: pixels.shape[1], height: pixels.shape[0], pixels: pixels.values)
        let encoder = AutoencoderEncoder(configuration).graph(
          height: image.height, width: image.width, batch: 1, fusion: fusion)
        let executable = try model.prepare(encoder.graph)
        executable.write(image.encoderInput, to: encoder.image)
        let compared = try network.run(executable, comparingWith: group)
        check(compared, Set(try network.trace.entries(of: group).map(\.name)))
      }
    }
  }
}
