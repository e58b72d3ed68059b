internal import Support
internal import WeightFormats

/// What the file of statistics says about itself and lists; stored as JSON.
struct CalibrationHeader {
  static let schema = "sana-calibration"
  static let version = 1

  /// What is kept of one input, in the group `products/<place>`.
  struct Input {
    let place: Int
    let component: ComponentKind
    /// Those that multiply it.
    let weights: [String]
    let columns: Int
    /// Kept ones.
    let rows: Int
    let seenRows: Int
    /// SHA-256 of rows, maxima and mean squares as little-endian f32.
    let digest: String
  }

  /// The program that wrote the file.
  let tool: String
  /// `ModelFile.contentDigest`
  let modelDigest: String
  /// What was drawn.
  let settings: MetadataValue
  let inputs: [Input]
}

extension CalibrationHeader {
  var json: MetadataValue {
    [
      "schema": .string(Self.schema),
      "version": .integer(Int64(Self.version)),
      "tool": .string(tool),
      "model_digest": .string(modelDigest),
      "settings": settings,
      "products": .array(inputs.map(\.json)),
    ]
  }

  /// - Returns: nil for what is no header of this version.
  init?(_ json: MetadataValue) {
    guard json["schema"]?.stringValue == Self.schema,
      json["version"]?.integerValue == Self.version,
      let tool = json["tool"]?.stringValue, let digest = json["model_digest"]?.stringValue,
      let settings = json["settings"], settings.members != nil,
      let products = json["products"]?.arrayValue
    else { return nil }
    let inputs = products.compactMap(Input.init)
    guard inputs.count == products.count else { return nil }
    self.init(tool: tool, modelDigest: digest, settings: settings, inputs: inputs)
  }
}

extension CalibrationHeader.Input {
  fileprivate var json: MetadataValue {
    [
      "place": .integer(Int64(place)),
      "component": .string(component.rawValue),
      "weights": .array(weights.map { .string($0) }),
      "columns": .integer(Int64(columns)),
      "rows": .integer(Int64(rows)),
      "seen_rows": .integer(Int64(seenRows)),
      "sha256": .string(digest),
    ]
  }

  fileprivate init?(_ json: MetadataValue) {
    guard let place = json["place"]?.integerValue, place >= 0,
      let component = json["component"]?.stringValue.flatMap(ComponentKind.init),
      let names = json["weights"]?.arrayValue, !names.isEmpty,
      let columns = json["columns"]?.integerValue, 1...Self.greatestExtent ~= columns,
      let rows = json["rows"]?.integerValue, 0...Self.greatestExtent ~= rows,
      let seenRows = json["seen_rows"]?.integerValue, seenRows >= max(rows, 1),
      let digest = json["sha256"]?.stringValue
    else { return nil }
    let weights = names.compactMap(\.stringValue)
    guard weights.count == names.count else { return nil }
    self.init(
      place: place, component: component, weights: weights, columns: columns, rows: rows,
      seenRows: seenRows, digest: digest)
  }

  /// So that no product of two of them overflows.
  private static let greatestExtent = 1 << 28
}
