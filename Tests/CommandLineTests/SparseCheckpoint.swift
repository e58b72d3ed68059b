import Foundation
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
    var members: [MetadataValue.Member] = []
    var end = 0
    for tensor in OfficialLayout(.autoencoder(configuration)).officialTensors {
      let start = end
      end += tensor.elementCount * 4
      members.append(
        .init(
          tensor.name,
          [
            "dtype": "F32", "shape": .array(tensor.shape.map { .integer(Int64($0)) }),
            "data_offsets": [.integer(Int64(start)), .integer(Int64(end))],
          ]))
    }
    let header = JSONWriter.write(.object(members))
    let prefix = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header
    let weights = try directory.write(
      prefix, to: "sparse/diffusion_pytorch_model.safetensors")
    let handle = try FileHandle(forUpdating: URL(filePath: weights))
    try handle.truncate(atOffset: UInt64(prefix.count + end))
    try handle.close()
    try directory.write(JSONWriter.write(document), to: "sparse/config.json")
    return directory.path("sparse")
  }
}
