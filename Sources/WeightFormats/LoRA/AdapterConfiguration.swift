/// What PEFT keeps beside an adapter's tensors (`peft.LoraConfig`).
enum AdapterConfiguration {
  /// The alpha of every matrix, or `nil` where nothing says it.
  /// - Throws: `.unsupported` for variants whose merging is not `W + alpha / rank * B A`.
  static func alpha(of file: SafetensorsFile) throws -> Double? {
    if let text = file.metadata["lora_adapter_metadata"] {
      let location = "\(file.path) (lora_adapter_metadata)"
      let document = try Array(text.utf8).withUnsafeBytes {
        try JSONParser.parse($0, location: location, options: .configuration)
      }
      return try alpha(document, prefix: "transformer.", location: location)
    }
    let path = FileSystem.join(FileSystem.parent(of: file.path), "adapter_config.json")
    guard FileSystem.kind(of: path) == .file else { return nil }
    return try alpha(try JSONParser.parse(file: path), prefix: "", location: path)
  }

  private static func alpha(
    _ document: MetadataValue, prefix: String, location: String
  ) throws(SanaError) -> Double? {
    func value(_ key: String) -> MetadataValue? { document[prefix + key] ?? document[key] }
    for key in ["use_dora", "use_rslora"] where value(key) == .bool(true) {
      throw unsupported("'\(key)'", location)
    }
    if value("alpha_pattern")?.members?.isEmpty == false {
      throw unsupported("an 'alpha_pattern'", location)
    }
    if let bias = value("bias")?.stringValue, bias != "none" {
      throw unsupported("'bias'", location)
    }
    return value("lora_alpha")?.numberValue
  }

  private static func unsupported(_ what: String, _ location: String) -> SanaError {
    SanaError(
      .unsupported, "describes an adapter with \(what), which is not merged",
      remedy: "merge it with PEFT and convert the result", location: location)
  }
}
