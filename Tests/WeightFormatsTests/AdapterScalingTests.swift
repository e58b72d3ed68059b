import Support
import TestSupport
import Testing
import WeightFormats

/// How strongly an adapter's matrices are added, and what may say so.
@Suite struct AdapterScalingTests {
  private typealias Matrix = AdapterSamples.Matrix
  private typealias Stored = AdapterSamples.Stored

  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  private static let module = "transformer_blocks.0.attn1.to_q"

  private func file(
    _ name: String = "x.safetensors", alpha: Stored? = nil, metadata: [String: String] = [:],
    prefix: String = "base_model.model."
  ) throws -> LowRankAdapter {
    let (rows, columns) = try AdapterSamples.shape(Self.module + ".weight")
    let path = try AdapterSamples(directory: directory).file(
      [
        "\(prefix)\(Self.module).lora_A.weight": Matrix([4, columns], seed: 1),
        "\(prefix)\(Self.module).lora_B.weight": Matrix([rows, 4], seed: 2),
      ], name, stored: alpha.map { ["\(prefix)\(Self.module).alpha": $0] } ?? [:],
      metadata: metadata)
    return try LowRankAdapter(path: path)
  }

  private func expect(
    _ adapter: LowRankAdapter, _ factor: Double, _ words: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(adapter.factors.map(\.value) == [factor], sourceLocation: sourceLocation)
    #expect(adapter.summary.hasSuffix(words), sourceLocation: sourceLocation)
  }

  @Test func nothingSaidIsTheRank() throws {
    expect(try file(), 1, "alpha 4 from the rank, since nothing states it")
  }

  @Test(arguments: [
    (ScalarType.f64, [UInt8].little(2.0.bitPattern)), (.f32, .little(Float(2).bitPattern)),
    (.f16, [0, 0x40]), (.bf16, [0, 0x40]), (.i64, .little(Int64(2))), (.i32, .little(Int32(2))),
    (.u8, [2]), (.i8, [2]),
  ])
  func aTensorOfAnyTypeTellsAlpha(_ type: ScalarType, _ bytes: [UInt8]) throws {
    for shape in [[], [1], [1, 1]] {
      expect(try file(alpha: Stored(shape, type, bytes)), 0.5, "alpha 2 from its tensors")
    }
  }

  @Test func anAlphaThatIsNoNumberIsRefused() throws {
    for alpha in [
      Stored([2], .f32, [UInt8](repeating: 0, count: 8)), Stored([], .f16, [0, 0x7E]),
      Stored([], .f32, .little(Float.infinity.bitPattern)),
    ] {
      let error = try #require(throws: SanaError.self) { try file(alpha: alpha) }
      #expect(error.message.contains(".alpha' is no alpha"))
    }
  }

  @Test func diffusersHeaderTellsAlpha() throws {
    let key = "lora_adapter_metadata"
    expect(
      try file(metadata: [key: #"{"transformer.lora_alpha": 6, "transformer.r": 4}"#]), 1.5,
      "alpha 6 from lora_adapter_metadata in its header")
    expect(
      try file(
        metadata: [
          key: #"{"transformer.lora_alpha": 6, "transformer.r": 4, "transformer.use_rslora": true}"#
        ]), 3, "alpha 6 from lora_adapter_metadata in its header")
    expect(
      try file(
        metadata: [
          key:
            #"{"transformer.lora_alpha": 6, "transformer.r": 8, "transformer.rank_pattern": {"attn1.to_q": 4}, "transformer.alpha_pattern": {"to_q": 2, "attn1.to_q": 3}}"#
        ]), 0.5, "alpha 2 from lora_adapter_metadata in its header")
    expect(
      try file(
        metadata: [
          key:
            #"{"transformer.lora_alpha": 6, "transformer.r": 4, "transformer.alpha_pattern": {"^to_q": 2, "^transformer_blocks\\.0\\.attn1\\.to_q": 3}}"#
        ]), 0.75, "alpha 3 from lora_adapter_metadata in its header")
    // The text encoder's statement is not the transformer's.
    expect(
      try file(
        metadata: [key: #"{"text_encoder.lora_alpha": 6, "text_encoder.r": 4}"#]), 1,
      "since nothing states it")
    // A tensor goes before what is said of all.
    expect(
      try file(
        alpha: Stored([], .i64, .little(Int64(2))),
        metadata: [key: #"{"transformer.lora_alpha": 6, "transformer.r": 4}"#]), 0.5,
      "alpha 2 from its tensors")
  }

  @Test func aHeaderThatContradictsTheTensorsIsAnError() throws {
    let error = try #require(throws: SanaError.self) {
      try file(metadata: ["lora_adapter_metadata": #"{"lora_alpha": 6, "r": 8}"#])
    }
    #expect(error.message.contains("has the rank 4, but lora_adapter_metadata states 8"))
  }

  @Test func kohyasHeaderTellsAlpha() throws {
    expect(
      try file(metadata: ["ss_network_alpha": "2.0", "ss_network_dim": "4"]), 0.5,
      "alpha 2 from ss_network_alpha in its header")
    expect(
      try file(metadata: ["ss_network_alpha": "2.0", "ss_network_dim": "8"]), 1,
      "since nothing states it")
    expect(try file(metadata: ["ss_network_alpha": "None"]), 1, "since nothing states it")
  }

  @Test func theConfigurationOfItsOwnNameTellsAlpha() throws {
    let own = "adapter_model.safetensors"
    func beside(_ text: String, _ name: String = own) throws -> LowRankAdapter {
      try directory.write(text, to: "adapter_config.json")
      return try file(name)
    }
    let matching =
      #"{"peft_type": "LORA", "r": 4, "lora_alpha": 6, "target_modules": ["to_q", "to_k"]}"#
    expect(try beside(matching), 1.5, "alpha 6 from adapter_config.json beside it")
    #expect(try beside(matching).notices.isEmpty)
    for (text, name, reason) in [
      (matching, "x.safetensors", "it is that of adapter_model.safetensors"),
      (#"{"r": 8, "lora_alpha": 6}"#, own, "it states the rank 8, and 'base_model"),
      (#"{"r": 4, "lora_alpha": 6, "target_modules": ["to_v"]}"#, own, "it does not adapt 'base_"),
      (#"{"lora_alpha": 6}"#, own, "it states no rank"),
    ] {
      let adapter = try beside(text, name)
      expect(adapter, 1, "since nothing states it")
      #expect(
        adapter.notices.first?.hasPrefix("adapter_config.json beside it is not used: \(reason)")
          == true)
    }
  }

  /// PEFT and diffusers write an adapter into a folder.
  @Test func aFolderIsThatOfTheFileInIt() throws {
    let adapter = try file("adapter_model.safetensors")
    let other = try LowRankAdapter(path: directory.url.path)
    #expect(other.path == adapter.path && other.summary == adapter.summary)
    let empty = try directory.write("", to: "empty/x")
    let error = try #require(throws: SanaError.self) {
      try LowRankAdapter(path: String(empty.dropLast(2)))
    }
    #expect(
      error.message
        == "is a folder without adapter_model.safetensors and pytorch_lora_weights.safetensors")
  }

  @Test(arguments: [
    (#""peft_type": "VERA""#, "'VERA'"),
    (#""init_lora_weights": "pissa_niter_4""#, "'pissa_niter_4'"),
    (#""init_lora_weights": "olora""#, "'olora'"),
    (#""use_qalora": true"#, "'use_qalora'"), (#""arrow_config": {}"#, "'arrow_config'"),
    (#""alpha_pattern": {"blocks.\\d+.to_q": 2}"#, "regular expression"),
  ])
  func configurationsThatChangeMoreAreRefused(_ member: String, _ words: String) throws {
    try directory.write(#"{"r": 4, "lora_alpha": 6, \#(member)}"#, to: "adapter_config.json")
    let error = try #require(throws: SanaError.self) { try file("adapter_model.safetensors") }
    #expect(error.code == .unsupported && error.message.contains(words))
  }

  @Test func aConfigurationOfADoRAWithoutLengthsIsRefused() throws {
    try directory.write(
      #"{"r": 4, "lora_alpha": 6, "use_dora": true}"#, to: "adapter_config.json")
    let error = try #require(throws: SanaError.self) { try file("adapter_model.safetensors") }
    #expect(error.message.contains("lacks the lengths of its rows"))
  }

  /// What was used stands in the converted file.
  @Test func aConvertedFileSaysWhatWasUsed() throws {
    let adapter = try file(alpha: Stored([], .i64, .little(Int64(2))))
    let output = directory.path("x.sana")
    let conversion = try CheckpointConversion(
      try OfficialCheckpoint(path: AdapterSamples.transformer), adapters: [adapter])
    #expect(
      conversion.notices.first
        == "x.safetensors: LoRA of rank 4 for 1 module, alpha 2 from its tensors, scale 1")
    try conversion.write(to: output)
    let lora = try #require(
      try ModelFile(path: output).metadata["provenance"]?["loras"]?.arrayValue?.first)
    #expect(lora["alphas"] == [2.0] && lora["alpha_from"] == ["tensor"])
    #expect(lora["kinds"] == ["LoRA"] && lora["ranks"] == [4] && lora["modules"] == 1)
  }
}
