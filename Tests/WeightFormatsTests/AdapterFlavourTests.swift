import Support
import TestSupport
import Testing
import WeightFormats

/// DoRA, LoKr, LoHa and adapters of convolutions against their definitions, in double precision.
@Suite struct AdapterFlavourTests {
  private typealias Matrix = AdapterSamples.Matrix

  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  private func adapter(_ tensors: [String: Matrix], scale: Double = 1) throws -> LowRankAdapter {
    try LowRankAdapter(
      path: try AdapterSamples(directory: directory).file(tensors), scale: scale)
  }

  private static let module = "transformer_blocks.0.attn2.to_k"
  private static let weight = module + ".weight"

  private func lengths(_ matrix: [Double], columns: Int) -> (rows: [Double], columns: [Double]) {
    var rows = [Double](repeating: 0, count: matrix.count / columns)
    var inputs = [Double](repeating: 0, count: columns)
    for (index, number) in matrix.enumerated() {
      rows[index / columns] += number * number
      inputs[index % columns] += number * number
    }
    return (rows.map { $0.squareRoot() }, inputs.map { $0.squareRoot() })
  }

  /// PEFT's: `m (W + s B A) / |W + s B A|`, row by row, with the user's scale in `s`.
  @Test(
    arguments: [
      ".lora_magnitude_vector", ".lora_magnitude_vector.weight",
      ".lora_magnitude_vector.default.weight",
    ], [1, 0.6, -0.5])
  func lengthsOfPEFT(_ suffix: String, _ scale: Double) throws {
    let (rows, columns) = try AdapterSamples.shape(Self.weight)
    let (a, b) = (Matrix([3, columns], seed: 1), Matrix([rows, 3], seed: 2))
    let m = Matrix([rows], seed: 3)
    let adapter = try adapter(
      [
        "transformer.\(Self.module).lora_A.weight": a,
        "transformer.\(Self.module).lora_B.weight": b,
        "transformer.\(Self.module)\(suffix)": m,
      ], scale: scale)
    let sum = try AdapterSamples.expected(Self.weight, [(b, a, scale)])
    let found = lengths(sum, columns: columns).rows
    AdapterSamples.expectClose(
      try AdapterSamples.merged(Self.weight, [adapter]),
      sum.enumerated().map { $1 * m.doubles[$0 / columns] / found[$0 / columns] })
    #expect(adapter.summary.hasPrefix("DoRA of rank 3 for 1 module"))
  }

  /// LyCORIS' and OneTrainer's: `W + scale (m V / |V| - W)`, `V = W + alpha / rank B A`, of columns
  /// or rows.
  @Test(arguments: [true, false], [1, 0.6])
  func lengthsOfLyCORIS(isOfColumns: Bool, _ scale: Double) throws {
    let (rows, columns) = try AdapterSamples.shape(Self.weight)
    let (a, b) = (Matrix([3, columns], seed: 1), Matrix([rows, 3], seed: 2))
    let m = Matrix(isOfColumns ? [1, columns] : [rows, 1], seed: 3)
    let adapter = try adapter(
      [
        "\(Self.module).lora_down.weight": a, "\(Self.module).lora_up.weight": b,
        "\(Self.module).dora_scale": m, "\(Self.module).alpha": Matrix(number: 6),
      ], scale: scale)
    let original = try AdapterSamples.original(Self.weight)
    let sum = try AdapterSamples.expected(Self.weight, [(b, a, 2)])
    let found = lengths(sum, columns: columns)
    AdapterSamples.expectClose(
      try AdapterSamples.merged(Self.weight, [adapter]),
      sum.indices.map { index in
        let at = isOfColumns ? index % columns : index / columns
        let whole = sum[index] * m.doubles[at] / (isOfColumns ? found.columns : found.rows)[at]
        return original[index] + scale * (whole - original[index])
      })
  }

  /// The columns of queries, keys and values together have one length where the trainer saw one
  /// matrix.
  @Test func lengthsOfFusedColumns() throws {
    let parts = ["to_q", "to_k", "to_v"].map { "transformer_blocks.1.attn1.\($0).weight" }
    let (rows, columns) = try AdapterSamples.shape(parts[0])
    let (a, b) = (Matrix([2, columns], seed: 1), Matrix([3 * rows, 2], seed: 2))
    let m = Matrix([1, columns], seed: 3)
    let name = "lora_unet_blocks_1_attn_qkv"
    let earlier = try LowRankAdapter(
      path: AdapterSamples(directory: directory).file(
        [
          "transformer_blocks.1.attn1.to_k.lora_A.weight": Matrix([1, columns], seed: 5),
          "transformer_blocks.1.attn1.to_k.lora_B.weight": Matrix([rows, 1], seed: 6),
        ], "earlier.safetensors"))
    let adapter = try adapter([
      name + ".lora_down.weight": a, name + ".lora_up.weight": b, name + ".dora_scale": m,
    ])
    let before =
      try AdapterSamples.original(parts[0])
      + AdapterSamples.expected(
        parts[1], [(Matrix([rows, 1], seed: 6), Matrix([1, columns], seed: 5), 1)])
      + AdapterSamples.original(parts[2])
    let sum = zip(before, AdapterSamples.product(b.doubles, a.doubles, inner: 2)).map { $0 + $1 }
    let found = lengths(sum, columns: columns).columns
    let expected = sum.enumerated().map { $1 * m.doubles[$0 % columns] / found[$0 % columns] }
    for (index, part) in parts.enumerated() {
      AdapterSamples.expectClose(
        try AdapterSamples.merged(part, [earlier, adapter]),
        Array(expected[index * rows * columns..<(index + 1) * rows * columns]))
    }
  }

  @Test func lengthsThatMayBeOfRowsOrColumnsAreRefused() throws {
    let (rows, columns) = try AdapterSamples.shape(Self.weight)
    #expect(rows == columns)
    let adapter = try adapter([
      "\(Self.module).lora_down.weight": Matrix([1, columns], seed: 1),
      "\(Self.module).lora_up.weight": Matrix([rows, 1], seed: 2),
      "\(Self.module).dora_scale": Matrix([rows], seed: 3),
    ])
    let error = try #require(throws: SanaError.self) {
      try AdapterSamples.merged(Self.weight, [adapter])
    }
    #expect(error.message.contains("for each of \(rows) rows or \(columns) columns, or for both"))
  }

  /// `w1[i, j] * w2[k, l]` at row `i c + k` and column `j d + l`.
  private func kronecker(_ first: Matrix, _ second: [Double], _ secondShape: (Int, Int)) -> [Double]
  {
    let (a, b) = (first.shape[0], first.shape[1])
    let (c, d) = secondShape
    return (0..<a * c * b * d).map { index in
      let (row, column) = (index / (b * d), index % (b * d))
      return first.doubles[row / c * b + column / d] * second[row % c * d + column % d]
    }
  }

  private func added(_ delta: [Double], _ factor: Double, to name: String) throws -> [Double] {
    zip(try AdapterSamples.original(name), delta).map { $0 + factor * $1 }
  }

  @Test func kroneckerProductsOfWholeMatrices() throws {
    let (rows, columns) = try AdapterSamples.shape(Self.weight)
    let (first, second) = (Matrix([8, 4], seed: 1), Matrix([rows / 8, columns / 4], seed: 2))
    // LyCORIS writes an alpha that it does not use.
    for alpha: Float in [1, 1e9] {
      let name = "lycoris_" + Self.module.replacing(".", with: "_")
      let adapter = try adapter(
        [
          name + ".lokr_w1": first, name + ".lokr_w2": second,
          name + ".alpha": Matrix(number: alpha),
        ],
        scale: 0.5)
      AdapterSamples.expectClose(
        try AdapterSamples.merged(Self.weight, [adapter]),
        try added(kronecker(first, second.doubles, (rows / 8, columns / 4)), 0.5, to: Self.weight))
      #expect(adapter.summary == "LoKr for 1 module")
    }
  }

  @Test(arguments: [false, true])
  func kroneckerProductsOfProducts(bothAreProducts: Bool) throws {
    let (rows, columns) = try AdapterSamples.shape(Self.weight)
    let (c, d) = (rows / 4, columns / 8)
    let (up, down) = (Matrix([c, 3], seed: 1), Matrix([3, d], seed: 2))
    let (firstUp, firstDown) = (Matrix([4, 3], seed: 3), Matrix([3, 8], seed: 4))
    let whole = AdapterSamples.product(firstUp.doubles, firstDown.doubles, inner: 3)
    let first = Matrix([4, 8], whole.map { Float($0) })
    var tensors = [
      Self.module + ".lokr_w2_a": up, Self.module + ".lokr_w2_b": down,
      Self.module + ".alpha": Matrix(number: 1.5),
    ]
    if bothAreProducts {
      tensors[Self.module + ".lokr_w1_a"] = firstUp
      tensors[Self.module + ".lokr_w1_b"] = firstDown
    } else {
      tensors[Self.module + ".lokr_w1"] = first
    }
    let second = AdapterSamples.product(up.doubles, down.doubles, inner: 3)
    let adapter = try adapter(tensors)
    AdapterSamples.expectClose(
      try AdapterSamples.merged(Self.weight, [adapter]),
      try added(kronecker(first, second, (c, d)), 0.5, to: Self.weight))
    #expect(adapter.summary == "LoKr of rank 3 for 1 module, alpha 1.5 from its tensors")
  }

  /// PEFT multiplies by alpha / rank whether or not there is a rank; its configuration states both.
  @Test func kroneckerProductsOfPEFT() throws {
    let (rows, columns) = try AdapterSamples.shape(Self.weight)
    let (first, second) = (Matrix([8, 4], seed: 1), Matrix([rows / 8, columns / 4], seed: 2))
    try directory.write(
      #"{"peft_type": "LOKR", "r": 8, "alpha": 2, "target_modules": ["to_k"]}"#,
      to: "adapter_config.json")
    let path = try AdapterSamples(directory: directory).file(
      [
        "base_model.model.\(Self.module).lokr_w1": first,
        "base_model.model.\(Self.module).lokr_w2": second,
      ], "adapter_model.safetensors")
    let adapter = try LowRankAdapter(path: path)
    AdapterSamples.expectClose(
      try AdapterSamples.merged(Self.weight, [adapter]),
      try added(kronecker(first, second.doubles, (rows / 8, columns / 4)), 0.25, to: Self.weight))
    #expect(adapter.summary == "LoKr for 1 module, alpha 2 from adapter_config.json beside it")
  }

  /// Factors with kernel axes would be read beyond their ends by who took their second axis for all
  /// of a row.
  @Test func kroneckerFactorsOfOtherShapesFitOrAreRefused() throws {
    let (rows, columns) = try AdapterSamples.shape(Self.weight)
    let (first, second) = (
      Matrix([8, 2, 2, 1], seed: 1), Matrix([rows / 8, columns / 8, 2, 1], seed: 2)
    )
    AdapterSamples.expectClose(
      try AdapterSamples.merged(
        Self.weight,
        [try adapter([Self.module + ".lokr_w1": first, Self.module + ".lokr_w2": second])]),
      try added(
        kronecker(Matrix([8, 4], first.values), second.doubles, (rows / 8, columns / 4)), 1,
        to: Self.weight))
    for shape in [[8], [8, 3], [0, 4]] {
      #expect(throws: SanaError.self) {
        try AdapterSamples.merged(
          Self.weight,
          [
            try adapter([
              Self.module + ".lokr_w1": Matrix(shape, seed: 1), Self.module + ".lokr_w2": second,
            ])
          ])
      }
    }
  }

  @Test func productsNumberByNumber() throws {
    let (rows, columns) = try AdapterSamples.shape(Self.weight)
    let names = ["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"]
    let parts = names.enumerated().map { index, _ in
      Matrix(index % 2 == 0 ? [rows, 2] : [2, columns], seed: UInt64(index))
    }
    var tensors = Dictionary(
      uniqueKeysWithValues: zip(names, parts).map { ("\(Self.module).\($0)", $1) })
    tensors[Self.module + ".alpha"] = Matrix(number: 1)
    let (left, right) = (
      AdapterSamples.product(parts[0].doubles, parts[1].doubles, inner: 2),
      AdapterSamples.product(parts[2].doubles, parts[3].doubles, inner: 2)
    )
    AdapterSamples.expectClose(
      try AdapterSamples.merged(Self.weight, [try adapter(tensors)]),
      try added(zip(left, right).map { $0 * $1 }, 0.5, to: Self.weight))
  }

  @Test func differencesAreAdded() throws {
    let (rows, columns) = try AdapterSamples.shape(Self.weight)
    let difference = Matrix([rows, columns], seed: 1)
    AdapterSamples.expectClose(
      try AdapterSamples.merged(
        Self.weight, [try adapter([Self.module + ".diff": difference], scale: -0.5)]),
      try added(difference.doubles, -0.5, to: Self.weight))
  }

  // MARK: - Convolutions

  /// OneTrainer adapts a depthwise convolution by one row that holds the kernels of all channels.
  @Test func depthwiseKernelsInOneRow() throws {
    let module = "transformer_blocks.0.ff.conv_depth"
    let weights = try AdapterSamples.component().weights
    let shape = try #require(weights.tensor(named: module + ".weight")?.shape)
    let (a, b) = (Matrix([2, shape[0], 3, 3], seed: 1), Matrix([1, 2, 1, 1], seed: 2))
    let adapter = try adapter([
      module + ".lora_down.weight": a, module + ".lora_up.weight": b,
      module + ".alpha": Matrix(number: 1),
    ])
    let expected = try added(
      AdapterSamples.product(b.doubles, a.doubles, inner: 2), 0.5, to: module + ".weight")
    AdapterSamples.expectClose(
      try AdapterSamples.merged(module + ".weight", [adapter]), expected)
    // Its kernel's rows are read out of their order when it is converted.
    let output = directory.path("x.sana")
    try CheckpointConversion(
      try OfficialCheckpoint(path: AdapterSamples.transformer), precision: .f32,
      adapters: [adapter]
    ).write(to: output)
    let stored = try ModelFile(path: output).source(for: .transformer).load(module + ".weight")
    let values = stored.values.bytes.assumingMemoryBound(to: Float.self)
    let channels = shape[0]
    AdapterSamples.expectClose(
      (0..<channels * 9).map { values[$0 % 9 * channels + $0 / 9] }, expected)
  }

  /// `sum over i, j of t[i, j, kernel] up[p, i] down[j, q]`.
  @Test(arguments: [false, true])
  func convolutionsWithSomethingInBetween(isKronecker: Bool) throws {
    let shape = [8, 6, 3, 3]
    let name = "m.weight"
    let base = Matrix(shape, seed: 9)
    let bytes = AdapterSamples.Stored(base).bytes
    let tensors = OneTensor(
      tensor: CheckpointTensor(name: name, type: .f32, shape: shape), bytes: bytes)
    let core = Matrix([2, 2, 3, 3], seed: 1)
    let (outputs, inputs) = isKronecker ? (4, 3) : (8, 6)
    let up = Matrix(isKronecker ? [2, outputs] : [outputs, 2, 1, 1], seed: 2)
    let down = Matrix(isKronecker ? [2, inputs] : [2, inputs, 1, 1], seed: 3)
    let first = Matrix([2, 2], seed: 4)
    let delta = (0..<outputs * inputs * 9).map { index in
      let (p, q, k) = (index / 9 / inputs, index / 9 % inputs, index % 9)
      return (0..<4).reduce(0.0) { sum, ij in
        let (i, j) = (ij / 2, ij % 2)
        let left = up.doubles[isKronecker ? i * outputs + p : p * 2 + i]
        return sum + core.doubles[(i * 2 + j) * 9 + k] * left * down.doubles[j * inputs + q]
      }
    }
    let adapter = try adapter(
      isKronecker
        ? ["m.lokr_w1": first, "m.lokr_w2_a": up, "m.lokr_w2_b": down, "m.lokr_t2": core]
        : ["m.lora_up.weight": up, "m.lora_down.weight": down, "m.lora_mid.weight": core])
    let whole = isKronecker ? kronecker(first, delta, (4, 27)) : delta
    let merged = try AdapterMerging([adapter], networks: [(.transformer, tensors)])
      .adapted(tensors, of: .transformer)
    AdapterSamples.expectClose(
      try #require(try merged.elements(of: name)).withFloats(Array.init),
      zip(base.doubles, whole).map { $0 + $1 })
  }

  private struct OneTensor: CheckpointTensors {
    let tensor: CheckpointTensor
    let bytes: [UInt8]

    var sourceFiles: [SourceFile] { [] }
    var tensors: [CheckpointTensor] { [tensor] }
    func tensor(named name: String) -> CheckpointTensor? { name == tensor.name ? tensor : nil }
    func origin(of name: String) -> TensorOrigin? { nil }
    func elements(of name: String) -> TensorElements? {
      guard name == tensor.name else { return nil }
      return TensorElements(
        type: tensor.type,
        bytes: TensorBytes(byteCount: bytes.count) { $0.copyBytes(from: bytes) })
    }
  }

  /// An official checkpoint under NVlabs' names has queries, keys and values in one tensor, of
  /// which each is a part.
  @Test func partsOfOneTensorAreAdapted() throws {
    let names = ["to_q", "to_k", "to_v"]
    let base = Matrix([12, 4], seed: 1)
    let file = try AdapterSamples(directory: directory).file(
      [
        "blocks.0.attn.qkv.weight": base, "x_embedder.proj.weight": Matrix([4, 4, 1, 1], seed: 2),
        "final_layer.linear.weight": Matrix([4, 4], seed: 3),
      ], "original.safetensors")
    let weights = try #require(
      try RenamedTensors(SafetensorsFile(path: file), location: file))
    let (a, b) = (Matrix([2, 4], seed: 4), Matrix([4, 2], seed: 5))
    let merged = try AdapterMerging(
      [
        try adapter([
          "transformer_blocks.0.attn1.to_k.lora_A.weight": a,
          "transformer_blocks.0.attn1.to_k.lora_B.weight": b,
        ])
      ], networks: [(.transformer, weights)]
    ).adapted(weights, of: .transformer)
    for (index, name) in names.enumerated() {
      let own = Array(base.doubles[index * 16..<(index + 1) * 16])
      let delta = AdapterSamples.product(b.doubles, a.doubles, inner: 2)
      AdapterSamples.expectClose(
        try #require(try merged.elements(of: "transformer_blocks.0.attn1.\(name).weight"))
          .withFloats(Array.init),
        name == "to_k" ? zip(own, delta).map { $0 + $1 } : own)
    }
  }
}
