public import SanaGraph
internal import WeightFormats
internal import SanaModels

/// A prompt as the transformer takes it: the rows of the text encoder's last hidden state that the official pipeline selects, without
/// its padding.
public struct Caption: Sendable {
  /// `[1, tokens, hiddenSize]`
  public let rows: HostTensor

  public var tokenCount: Int { rows.shape.positions }

  public init(rows: HostTensor) {
    precondition(rows.shape.batch == 1 && rows.shape.height == 1)
    self.rows = rows
  }

  /// - Parameters:
  ///   - lastHiddenState: `[1, tokens, hiddenSize]`
  ///   - selection: positions of the wanted rows.
  public init(lastHiddenState: HostTensor, selecting selection: [Int]) {
    let channels = lastHiddenState.shape.channels
    let values = lastHiddenState.values
    self.init(
      rows: HostTensor(
        .tokens(batch: 1, count: selection.count, channels: channels),
        selection.flatMap { values[$0 * channels..<($0 + 1) * channels] }))
  }

  /// Bytes of the captions of prompts.
  static func byteCount(
    _ prompts: [PreparedPrompt], _ configuration: TextEncoderConfiguration
  ) -> Int {
    prompts.reduce(0) { $0 + $1.captionRows.count } * configuration.hiddenSize
      * MemoryLayout<Float>.size
  }

  /// The rows of this caption, then those of another.
  func followed(by other: Caption) -> Caption {
    Caption(
      rows: HostTensor(
        .tokens(
          batch: 1, count: tokenCount + other.tokenCount, channels: rows.shape.channels),
        rows.values + other.rows.values))
  }

  /// Several captions as one tensor `[captions, longest, hiddenSize]`, zero behind the end of the shorter ones.
  static func batch(_ captions: [Caption]) -> HostTensor {
    let longest = captions.map(\.tokenCount).max() ?? 0
    let channels = captions.first?.rows.shape.channels ?? 0
    let values = captions.flatMap { caption in
      caption.rows.values
        + [Float](repeating: 0, count: (longest - caption.tokenCount) * channels)
    }
    return HostTensor(
      .tokens(batch: captions.count, count: longest, channels: channels), values)
  }
}
