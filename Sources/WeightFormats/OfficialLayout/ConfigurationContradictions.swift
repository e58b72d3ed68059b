internal import Support

/// Where the tensors of a checkpoint say another number than its `config.json`.
enum ConfigurationContradictions {
  private static let shownCount = 4

  /// - Parameters:
  ///   - location: the file of the weights.
  /// - Throws: `.tensorMismatch` naming both numbers of each contradiction.
  static func check(
    _ weights: any CheckpointTensors, against configuration: ComponentConfiguration,
    location: String
  ) throws(SanaError) {
    let found =
      counts(weights, OfficialLayout(configuration)) + sizes(weights, configuration)
      + features(weights, configuration)
    guard !found.isEmpty else { return }
    let rest = found.count - shownCount
    throw SanaError(
      .tensorMismatch,
      "contradicts its config.json: " + found.prefix(shownCount).joined(separator: "; ")
        + (rest > 0 ? "; and \(rest) more" : ""),
      remedy: "use the weights and the config.json of the same release", location: location)
  }

  // MARK: - How many

  /// How many modules each numbered list has: `transformer_blocks`, `decoder.up_blocks.3`.
  private struct ModuleCounts {
    private var numbers: [String: Set<Int>] = [:]

    init(_ names: some Sequence<String>) {
      for name in names {
        var list = ""
        for part in name.split(separator: ".") {
          if let number = Int(part) { numbers[list, default: []].insert(number) }
          list += list.isEmpty ? String(part) : ".\(part)"
        }
      }
    }

    var lists: [String] { numbers.keys.sorted() }

    /// `nil` where some in between are missing, which is another kind of fault, or where there is
    /// no such list.
    subscript(list: String) -> Int? {
      guard let numbers = numbers[list], let last = numbers.max(), numbers.count == last + 1
      else { return nil }
      return numbers.count
    }
  }

  private static func counts(
    _ weights: any CheckpointTensors, _ layout: OfficialLayout
  ) -> [String] {
    let stated = ModuleCounts(layout.officialTensors.map(\.name))
    let held = ModuleCounts(weights.tensors.map(\.name))
    var found: [String] = []
    for list in stated.lists {
      guard let key = key(ofList: list, of: layout.kind), let expected = stated[list],
        let count = held[list], count != expected
      else { continue }
      found.append("'\(key)' means \(expected) modules '\(list)', the file has \(count)")
    }
    return found
  }

  /// What of a configuration says how long a list of modules is; `nil` for lists that have always
  /// the same length.
  private static func key(ofList list: String, of kind: ComponentKind) -> String? {
    switch (kind, list) {
    case (.textEncoder, "layers"): return "num_hidden_layers"
    case (.transformer, "transformer_blocks"): return "num_layers"
    case (.autoencoder, "encoder.down_blocks"): return "encoder_block_out_channels"
    case (.autoencoder, "decoder.up_blocks"): return "decoder_block_out_channels"
    default: break
    }
    let parts = list.split(separator: ".")
    guard kind == .autoencoder, parts.count == 3, Int(parts[2]) != nil else { return nil }
    return "\(parts[0])_layers_per_block"
  }

  // MARK: - How large

  private static func sizes(
    _ weights: any CheckpointTensors, _ configuration: ComponentConfiguration
  ) -> [String] {
    ConfigurationNumber.all(of: configuration).compactMap { number in
      guard let shape = weights.tensor(named: number.tensor)?.shape,
        number.axis < shape.count,
        shape[number.axis] != number.value * number.multiple
      else { return nil }
      let size = shape[number.axis]
      let held =
        size % number.multiple == 0 ? "\(size / number.multiple)" : "\(size) / \(number.multiple)"
      return
        "'\(number.key)' is \(number.value), the file has \(held) ('\(number.tensor)' is \(shape))"
    }
  }

  // MARK: - Whether at all

  private static func features(
    _ weights: any CheckpointTensors, _ configuration: ComponentConfiguration
  ) -> [String] {
    guard case .transformer(let configuration) = configuration else { return [] }
    var found: [String] = []
    func compare(_ key: String, _ states: Bool, _ words: (no: String, yes: String), tensor: String)
    {
      let holds = weights.tensor(named: tensor) != nil
      guard holds != states else { return }
      found.append(
        "'\(key)' is \(states ? words.yes : words.no), the file has \(holds ? "a" : "no") '\(tensor)'"
      )
    }
    compare(
      "qk_norm", configuration.normalizesQueriesAndKeys, ("null", "rms_norm_across_heads"),
      tensor: "transformer_blocks.0.attn1.norm_q.weight")
    compare(
      "guidance_embeds", configuration.embedsGuidance, ("false", "true"),
      tensor: "time_embed.guidance_embedder.linear_1.weight")
    if let side = weights.sampleSize, side != configuration.sampleSize {
      found.append(
        "'sample_size' is \(configuration.sampleSize), the file's position embedding is for \(side) x \(side) latents ('pos_embed')"
      )
    }
    return found
  }
}
