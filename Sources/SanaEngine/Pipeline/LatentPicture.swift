internal import SanaGraph

/// A picture that is decoded while its rows are drawn: by the autoencoder, scaled and cropped to
/// the size that was asked for.
///
/// It holds the autoencoder's weights, so whoever it is given to draws it at once, and lets go of
/// it.
public struct LatentPicture: PictureSource {
  public let width: Int
  public let height: Int
  private let drawnWidth: Int
  private let drawnHeight: Int
  private let latents: HostTensor
  private let stage: DecoderStage

  init(_ latents: HostTensor, _ stage: DecoderStage, _ settings: GenerationSettings) {
    self.latents = latents
    self.stage = stage
    width = settings.width
    height = settings.height
    drawnWidth = settings.drawnWidth
    drawnHeight = settings.drawnHeight
  }

  /// - Throws: `.numericalFailure` when what is decoded is not finite, `.cancelled`, what the back
  ///   end throws, and what `onRow` throws.
  public func drawRows(_ onRow: (UnsafeBufferPointer<UInt8>) throws -> Void) throws {
    try stage.ledger.holding(
      Self.rowBytes(width: width), for: .kept, "rows of a picture on their way to its file"
    ) {
      var rows = PictureRows(
        drawnHeight: drawnHeight, drawnWidth: drawnWidth, height: height, width: width)
      try stage.decode(latents) { range, values in
        try rows.append(rows: range, values, onRow: onRow)
      }
    }
  }

  /// Bytes that a picture takes between the autoencoder and its file.
  static func rowBytes(width: Int) -> Int {
    PictureRows.byteCount(width: width) + PNGFile.byteCount(width: width)
  }
}
