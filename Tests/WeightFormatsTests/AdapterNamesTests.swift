import Support
import TestSupport
import Testing
import WeightFormats

/// The names that trainers give to the tensors of a LoRA.
@Suite struct AdapterNamesTests {
  private typealias Matrix = AdapterSamples.Matrix

  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  private var samples: AdapterSamples { AdapterSamples(directory: directory) }

  /// A LoRA of two modules, each under names with this before and behind it, changes what it
  /// should.
  private func expectMerged(
    _ first: String, _ second: String, _ down: String, _ up: String, alpha: String = ".alpha",
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    var tensors: [String: Matrix] = [:]
    let targets = [
      "transformer_blocks.0.attn1.to_q.weight", "transformer_blocks.1.attn2.to_out.0.weight",
    ]
    for (seed, (module, target)) in zip([first, second], targets).enumerated() {
      let (rows, columns) = try AdapterSamples.shape(target)
      tensors[module + down] = Matrix([2, columns], seed: UInt64(2 * seed))
      tensors[module + up] = Matrix([rows, 2], seed: UInt64(2 * seed + 1))
      tensors[module + alpha] = Matrix(number: 1)
    }
    let adapter = try LowRankAdapter(path: try samples.file(tensors))
    for (module, target) in zip([first, second], targets) {
      let (up, down) = (try #require(tensors[module + up]), try #require(tensors[module + down]))
      AdapterSamples.expectClose(
        try AdapterSamples.merged(target, [adapter]),
        try AdapterSamples.expected(target, [(up, down, 0.5)]), sourceLocation: sourceLocation)
    }
  }

  @Test(arguments: [
    (".lora_A.weight", ".lora_B.weight"), (".lora_A.default.weight", ".lora_B.default.weight"),
    (".lora.down.weight", ".lora.up.weight"), (".lora_down.weight", ".lora_up.weight"),
    (".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"),
  ])
  func everyWordForTheHalves(_ down: String, _ up: String) throws {
    for prefix in [
      "", "transformer.", "base_model.model.", "diffusion_model.", "model.diffusion_model.",
      "base_model.model.transformer.", "unet.", "module.",
    ] {
      try expectMerged(
        prefix + "transformer_blocks.0.attn1.to_q", prefix + "transformer_blocks.1.attn2.to_out.0",
        down, up)
    }
  }

  @Test(arguments: ["lora_unet_", "lora_transformer_", "lycoris_", "lora_"])
  func underscoresForPoints(_ prefix: String) throws {
    try expectMerged(
      prefix + "transformer_blocks_0_attn1_to_q", prefix + "transformer_blocks_1_attn2_to_out_0",
      ".lora_down.weight", ".lora_up.weight")
  }

  @Test func processorsOfOlderDiffusers() throws {
    let block = "transformer.transformer_blocks"
    var tensors: [String: Matrix] = [:]
    for (module, target) in [
      ("\(block).0.attn1.processor.to_q_lora", "transformer_blocks.0.attn1.to_q.weight"),
      ("\(block).1.attn2.processor.to_out_lora", "transformer_blocks.1.attn2.to_out.0.weight"),
    ] {
      let (rows, columns) = try AdapterSamples.shape(target)
      tensors[module + ".down.weight"] = Matrix([1, columns], seed: 1)
      tensors[module + ".up.weight"] = Matrix([rows, 1], seed: 2)
      let adapter = try LowRankAdapter(path: try samples.file(tensors))
      AdapterSamples.expectClose(
        try AdapterSamples.merged(target, [adapter]),
        try AdapterSamples.expected(
          target,
          [
            (
              #require(tensors[module + ".up.weight"]), #require(tensors[module + ".down.weight"]),
              1
            )
          ]))
    }
  }

  /// NVlabs' trainer adapts queries, keys and values as one matrix.
  @Test(arguments: [
    ("base_model.model.blocks.0.attn.qkv", ".lora_A.weight", ".lora_B.weight"),
    ("lora_unet_blocks_0_attn_qkv", ".lora_down.weight", ".lora_up.weight"),
    ("diffusion_model.blocks.0.attn.qkv", ".lora_down.weight", ".lora_up.weight"),
  ])
  func fusedProjectionsAreDivided(_ module: String, _ down: String, _ up: String) throws {
    let parts = ["to_q", "to_k", "to_v"].map { "transformer_blocks.0.attn1.\($0).weight" }
    let (rows, columns) = try AdapterSamples.shape(parts[0])
    let (a, b) = (Matrix([2, columns], seed: 1), Matrix([3 * rows, 2], seed: 2))
    let adapter = try LowRankAdapter(
      path: try samples.file([module + down: a, module + up: b]), scale: 0.5)
    for (index, part) in parts.enumerated() {
      let own = Matrix([rows, 2], Array(b.values[index * rows * 2..<(index + 1) * rows * 2]))
      AdapterSamples.expectClose(
        try AdapterSamples.merged(part, [adapter]),
        try AdapterSamples.expected(part, [(own, a, 0.5)]))
    }
  }

  @Test(arguments: [
    ("blocks.1.cross_attn.proj", "transformer_blocks.1.attn2.to_out.0"),
    ("blocks.0.mlp.inverted_conv.conv", "transformer_blocks.0.ff.conv_inverted"),
    ("final_layer.linear", "proj_out"), ("t_block.1", "time_embed.linear"),
    ("t_embedder.mlp.2", "time_embed.emb.timestep_embedder.linear_2"),
  ])
  func originalNamesAreKnown(_ module: String, _ official: String) throws {
    let (rows, columns) = try AdapterSamples.shape(official + ".weight")
    let (a, b) = (Matrix([2, columns], seed: 1), Matrix([rows, 2], seed: 2))
    for name in ["base_model.model." + module, "lora_unet_" + module.replacing(".", with: "_")] {
      let adapter = try LowRankAdapter(
        path: try samples.file([name + ".lora_down.weight": a, name + ".lora_up.weight": b]))
      AdapterSamples.expectClose(
        try AdapterSamples.merged(official + ".weight", [adapter]),
        try AdapterSamples.expected(official + ".weight", [(b, a, 1)]))
    }
  }

  /// Where points are underscores, two modules may have one name.
  @Test func whatMayBeTwoModulesIsRefused() throws {
    let tensors = ["a.b_c.weight", "a_b.c.weight", "d.weight"].map {
      CheckpointTensor(name: $0, type: .f32, shape: [2, 2])
    }
    let targets = AdapterTargets([(.transformer, tensors)])
    guard case .ambiguous(["a.b_c", "a_b.c"]) = targets.match("lora_unet_a_b_c"),
      case .targets(let found) = targets.match("lora_unet_d"),
      case .none = targets.match("lora_unet_e"), case .none = targets.match("a.b"),
      case .absent(.textEncoder) = targets.match("lora_te_layers_0_mlp_up_proj"),
      case .absent(.textEncoder) = targets.match("text_encoder.layers.0.mlp.up_proj")
    else {
      Issue.record("another match")
      return
    }
    #expect(found.map(\.name) == ["d.weight"])
  }

  @Test func aTextEncodersMatricesAreMergedWhereItIsConverted() throws {
    let pipeline = Checkpoints.path("sana-tiny")
    let encoder = try #require(
      try OfficialCheckpoint(path: pipeline).components.first { $0.kind == .textEncoder })
    let transformer = try AdapterSamples.component()
    let name = "layers.0.self_attn.q_proj"
    let tensor = try #require(
      encoder.weights.tensor(named: name + ".weight")
        ?? encoder.weights.tensor(named: "model.\(name).weight"))
    let target = "transformer_blocks.0.attn1.to_q"
    let (rows, columns) = try AdapterSamples.shape(target + ".weight")
    for (module, other) in [
      ("text_encoder." + name, "transformer." + target),
      (
        "lora_te_" + name.replacing(".", with: "_"), "lora_unet_" + target.replacing(".", with: "_")
      ),
    ] {
      let (a, b) = (Matrix([1, tensor.shape[1]], seed: 1), Matrix([tensor.shape[0], 1], seed: 2))
      let path = try samples.file([
        module + ".lora_down.weight": a, module + ".lora_up.weight": b,
        other + ".lora_down.weight": Matrix([1, columns], seed: 3),
        other + ".lora_up.weight": Matrix([rows, 1], seed: 4),
      ])
      let adapter = try LowRankAdapter(path: path)
      let both = try AdapterMerging(
        [adapter],
        networks: [(.textEncoder, encoder.weights), (.transformer, transformer.weights)])
      #expect(both.notices.count == 1)
      let elements = try #require(
        try both.adapted(encoder.weights, of: .textEncoder).elements(of: tensor.name))
      let before = try #require(try encoder.weights.elements(of: tensor.name))
        .withFloats { $0.map(Double.init) }
      AdapterSamples.expectClose(
        elements.withFloats(Array.init),
        zip(before, AdapterSamples.product(b.doubles, a.doubles, inner: 1)).map { $0 + $1 })
      let alone = try AdapterMerging([adapter], networks: [(.transformer, transformer.weights)])
      #expect(
        alone.notices.last
          == "x.safetensors: 1 module of the text encoder is left out, which is not converted")
    }
  }

  @Test func theEmbeddingBesideTheMatricesIsLeftOutByName() throws {
    let target = "transformer_blocks.0.attn1.to_q"
    let (rows, columns) = try AdapterSamples.shape(target + ".weight")
    let path = try samples.file([
      target + ".lora_down.weight": Matrix([1, columns], seed: 1),
      target + ".lora_up.weight": Matrix([rows, 1], seed: 2),
      "bundle_emb.<sks>.gemma": Matrix([1, 8], seed: 3),
      "bundle_emb.<sks>.gemma_out": Matrix([1, 8], seed: 3),
    ])
    let merging = try AdapterMerging(
      [try LowRankAdapter(path: path)],
      networks: [(.transformer, AdapterSamples.component().weights)])
    #expect(merging.notices.count == 2)
    #expect(merging.notices.last?.contains("the embedding of '<sks>' is left out") == true)
  }

  @Test(arguments: [
    ("oft_blocks", "OFT"), ("oft_R.weight", "OFT"), ("a1.weight", "GLoRA"), ("hada_t1", "Tucker"),
    ("lora_E", "AdaLoRA"), ("vera_lambda_b", "VeRA"), ("lora_embedding_A", "embedding"),
    ("diff_b", "biases"), ("ia3_l", "IA3"),
  ])
  func flavoursThatAreNotMergedAreNamed(_ part: String, _ flavour: String) throws {
    let path = try samples.file([
      "transformer_blocks.0.attn1.to_q." + part: Matrix([2, 2], seed: 1)
    ])
    let error = try #require(throws: SanaError.self) { try LowRankAdapter(path: path) }
    #expect(error.code == .unsupported)
    #expect(error.message.contains(flavour) && error.message.contains(part))
  }

  /// PEFT's `adapter_model.bin` is a file of torch.save.
  @Test func filesOfTorchAreAdaptersToo() throws {
    let target = "transformer_blocks.0.attn1.to_q"
    let (rows, columns) = try AdapterSamples.shape(target + ".weight")
    let (a, b) = (Matrix([2, columns], seed: 1), Matrix([rows, 2], seed: 2))
    let tensors = [("lora_A", a), ("lora_B", b)].map { part, matrix in
      (
        CheckpointTensor(
          name: "base_model.model.\(target).\(part).weight", type: .f32, shape: matrix.shape),
        AdapterSamples.Stored(matrix).bytes
      )
    }
    let path = try directory.write(TorchSample.file(tensors), to: "adapter_model.bin")
    AdapterSamples.expectClose(
      try AdapterSamples.merged(target + ".weight", [try LowRankAdapter(path: path)]),
      try AdapterSamples.expected(target + ".weight", [(b, a, 1)]))
  }
}
