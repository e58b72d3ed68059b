internal import SanaEngine
internal import SanaGraph
internal import SanaModels

/// Latents to pictures and back.
extension Verifier {
  func decode(_ reference: ReferenceCase, _ finalLatents: FinalLatents) throws {
    let group = "\(reference.path)/decode"
    guard trace.contains(group) else { return }
    guard let autoencoder = model.autoencoder else {
      report.omit("decode and encode (the model has no autoencoder)")
      return
    }
    let configuration = autoencoder.configuration
    let shape = Shape(
      batch: reference.prompts.count, height: reference.height / configuration.compression,
      width: reference.width / configuration.compression, channels: configuration.latentChannels)
    let stage = DecoderStage(
      configuration, source: autoencoder.weights, backend: backend,
      context: RunContext(cancellation: cancellation))
    let input = try reader.tensor("\(group)/input", shape)
    let scalingFactor = Float(configuration.scalingFactor)
    var picture = try stage.decode(
      HostTensor(shape, input.values.map { $0 * scalingFactor }), fusion: .observable
    ) { try self.compare($0, $1, in: group) }
    // The picture of the whole pipeline, if the run that it belongs to was replayed; otherwise that of the decoder alone.
    if let own = finalLatents[try trace.string("of_run", of: group)], own.shape == shape {
      picture = try stage.decode(own)
    }
    let path = "\(group)/image_uint8"
    let expected = try reader.bytes(
      path, shape: [shape.batch, reference.height, reference.width, 3])
    let bytes = try (0..<shape.batch).flatMap {
      try RGBImage(decoded: picture, element: $0).pixels
    }
    report.add(try ComparedPicture(name: path, reference: expected, result: bytes))
  }

  func encode(_ reference: ReferenceCase) throws {
    let group = "\(reference.path)/encode"
    guard trace.contains(group), let autoencoder = model.autoencoder else { return }
    let pixels = try trace.uint8("\(group)/image_uint8")
    let multiple = autoencoder.configuration.compression
    guard pixels.shape.count == 3, pixels.shape[2] == 3, !pixels.values.isEmpty,
      pixels.shape[0] % multiple == 0, pixels.shape[1] % multiple == 0
    else {
      throw reader.mismatch(
        "'\(group)/image_uint8' is no picture whose sides are multiples of \(multiple)")
    }
    let image = RGBImage(
      width: pixels.shape[1], height: pixels.shape[0], pixels: pixels.values)
    let stage = EncoderStage(
      autoencoder.configuration, source: autoencoder.weights, backend: backend,
      context: RunContext(cancellation: cancellation))
    _ = try stage.encode(image.encoderInput, fusion: .observable) {
      try self.compare($0, $1, in: group)
    }
  }
}
