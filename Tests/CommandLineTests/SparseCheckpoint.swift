import Support
import TestSupport
import WeightFormats

/// A checkpoint of full size whose numbers are all zero and take no room on the disk.
enum SparseCheckpoint {
  /// The 312 million parameters of `DC-AE f32c32`.
  static func autoencoder(in directory: TestDirectory) throws -> String {
    let multiscales: MetadataValue = [[], [], [], [5], [5], [5]]
    let types: MetadataValue = [
      "ResBlock", "ResBlock", "ResBlock",
      "EfficientViTBlock", "EfficientViTBlock", "EfficientViTBlock",
    ]
    let document: MetadataValue = [
      "_class_name": "AutoencoderDC", "decoder_block_types": types, "encoder_block_types": types,
      "decoder_qkv_multiscales": multiscales, "encoder_qkv_multiscales": multiscales,
      "downsample_block_type": "Conv", "upsample_block_type": "interpolate",
      "scaling_factor": 0.41407,
    ]
    let configuration = try AutoencoderConfiguration(official: document, location: "config.json")
    try SparseWeights.write(
      OfficialLayout(.autoencoder(configuration)).officialTensors.map {
        CheckpointTensor(name: $0.name, type: .f32, shape: $0.shape)
      }, to: directory.path("sparse/diffusion_pytorch_model.safetensors"))
    try directory.write(JSONWriter.write(document), to: "sparse/config.json")
    return directory.path("sparse")
  }
}
