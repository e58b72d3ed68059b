import CKernels
import Foundation
import TestSupport
import Testing
import WeightFormats

@Suite struct LowRankAdapterTests {
  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  private static let transformer = Checkpoints.path("sana-tiny") + "/transformer"

  private struct Matrix {
    let shape: [Int]
    let values: [Float]

    init(_ shape: [Int], seed: UInt64) {
      var random = SplitMix(seed: seed)
      self.shape = shape
      values = (0..<shape.reduce(1, *)).map { _ in Float.random(in: -1...1, using: &random) }
    }

    init(number: Float) { (shape, values) = ([], [number]) }
  }

  private func lora(_ tensors: [String: Matrix], _ name: String = "x.safetensors") throws -> String
  {
    let path = directory.path(name)
    let writer = try SafetensorsWriter(
      path: path,
      tensors: tensors.map { SafetensorsTensor(name: $0, type: .f32, shape: $1.shape) })
    for (name, matrix) in tensors {
      try matrix.values.withUnsafeBytes { try writer.write($0, as: name) }
    }
    try writer.finish()
    return path
  }

  private func component() throws -> OfficialComponent {
    try #require(try OfficialCheckpoint(path: Self.transformer).components.first)
  }

  private func shape(_ name: String) throws -> (Int, Int) {
    try #require(try component().weights.tensor(named: name)?.matrixShape)
  }

  /// The weights with `factor * up * down` added, in double precision.
  private func expected(
    _ name: String, _ terms: [(up: Matrix, down: Matrix, factor: Double)]
  ) throws -> [Double] {
    let elements = try #require(try component().weights.elements(of: name))
    var values = elements.withFloats { $0.map(Double.init) }
    for (up, down, factor) in terms {
      let (rank, columns) = (down.shape[0], down.shape[1])
      for index in values.indices {
        let (row, column) = (index / columns, index % columns)
        values[index] +=
          factor
          * (0..<rank).reduce(0.0) {
            $0 + Double(up.values[row * rank + $1]) * Double(down.values[$1 * columns + column])
          }
      }
    }
    return values
  }

  private func merged(_ name: String, _ adapters: [LowRankAdapter]) throws -> [Float] {
    let tensors = try AdaptedTensors(component().weights, adapters: adapters)
    return try #require(try tensors.elements(of: name)).withFloats(Array.init)
  }

  private func expectClose(_ found: [Float], _ expected: [Double]) {
    #expect(found.count == expected.count)
    let worst = zip(found, expected).map { abs(Double($0) - $1) / max(1, abs($1)) }.max() ?? 0
    #expect(worst < 2e-6)
  }

  @Test(arguments: [
    ("transformer.", "lora_A", "lora_B"), ("", "lora_A", "lora_B"),
    ("base_model.model.", "lora_A", "lora_B"), ("transformer.", "lora.down", "lora.up"),
    ("base_model.model.transformer.", "lora_A.default", "lora_B.default"),
  ])
  func addsTheProduct(prefix: String, down: String, up: String) throws {
    for module in [
      "transformer_blocks.0.attn1.to_q", "transformer_blocks.1.attn2.to_out.0", "proj_out",
    ] {
      let (rows, columns) = try shape(module + ".weight")
      let (a, b) = (Matrix([3, columns], seed: 1), Matrix([rows, 3], seed: 2))
      let path = try lora([
        "\(prefix)\(module).\(down).weight": a, "\(prefix)\(module).\(up).weight": b,
      ])
      let adapter = try LowRankAdapter(path: path, scale: 0.7)
      expectClose(
        try merged(module + ".weight", [adapter]),
        try expected(module + ".weight", [(b, a, 0.7)]))
    }
  }

  @Test func adaptersAddUpWithTheirOwnAlpha() throws {
    let module = "transformer_blocks.0.ff.conv_inverted"
    let (rows, columns) = try shape(module + ".weight")
    let (a, b) = (Matrix([2, columns, 1, 1], seed: 1), Matrix([rows, 2, 1, 1], seed: 2))
    let (c, d) = (Matrix([4, columns], seed: 3), Matrix([rows, 4], seed: 4))
    let first = try lora(
      [
        "\(module).lora_A.weight": a, "\(module).lora_B.weight": b,
        "\(module).alpha": Matrix(number: 8),
      ], "first.safetensors")
    let second = try lora(
      ["\(module).lora_A.weight": c, "\(module).lora_B.weight": d], "second.safetensors")
    let adapters = [
      try LowRankAdapter(path: first, scale: 0.5), try LowRankAdapter(path: second, scale: -1),
    ]
    expectClose(
      try merged(module + ".weight", adapters),
      try expected(module + ".weight", [(b, a, 0.5 * 8 / 2), (d, c, -1)]))
  }

  @Test func theConfigurationBesideItTellsAlpha() throws {
    let (a, b) = (Matrix([2, 2], seed: 1), Matrix([2, 2], seed: 2))
    let path = try lora(["m.lora_A.weight": a, "m.lora_B.weight": b])
    try directory.write(#"{"lora_alpha": 6, "r": 2}"#, to: "adapter_config.json")
    #expect(try LowRankAdapter(path: path).products["m.weight"]?.factor == 3)
    for key in [#""use_dora": true"#, #""use_rslora": true"#, #""alpha_pattern": {"a": 1}"#] {
      try directory.write("{\(key)}", to: "adapter_config.json")
      let error = try #require(throws: SanaError.self) { try LowRankAdapter(path: path) }
      #expect(error.code == .unsupported)
    }
  }

  /// A conversion reads matrices in bands of rows; the reference adds to the whole matrix and rounds it.
  @Test(arguments: [ScalarType.f32, .f16, .bf16], UInt64(1)...5)
  func bandsHaveTheBitsOfTheWholeMatrix(type: ScalarType, seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let (rows, columns) = (
      Int.random(in: 1...70, using: &random), Int.random(in: 1...90, using: &random)
    )
    let base = Matrix([rows, columns], seed: seed)
    let name = "m.weight"
    let stored = TensorBytes(byteCount: rows * columns * type.byteCount) { memory in
      base.values.withUnsafeBufferPointer {
        FloatingPointConversion.narrow($0, to: type, memory)
      }
    }
    let original = TensorElements(type: type, bytes: stored)
    var whole = original.withFloats(Array.init)
    var adapters: [LowRankAdapter] = []
    for number in 0..<2 {
      let rank = Int.random(in: 1...9, using: &random)
      let (down, up) = (
        Matrix([rank, columns], seed: seed + 10), Matrix([rows, rank], seed: seed + 20)
      )
      let path = try lora(
        ["m.lora_A.weight": down, "m.lora_B.weight": up], "\(number).safetensors")
      adapters.append(try LowRankAdapter(path: path, scale: 0.5))
      for index in whole.indices {
        let (row, column) = (index / columns, index % columns)
        var sum: Float = 0
        for k in 0..<rank { sum += up.values[row * rank + k] * down.values[k * columns + column] }
        whole[index] += 0.5 * sum
      }
    }
    let tensors = try AdaptedTensors(
      OneMatrix(
        matrix: SafetensorsTensor(name: name, type: type, shape: base.shape), numbers: original),
      adapters: adapters)
    let elements = try #require(try tensors.elements(of: name))
    #expect(elements.type == .f32 && elements.count == rows * columns)
    for target in [ScalarType.f32, .f16, .bf16] {
      let expected = TensorBytes(byteCount: whole.count * target.byteCount) { memory in
        whole.withUnsafeBufferPointer {
          FloatingPointConversion.narrow($0, to: target, memory)
        }
      }
      let found = TensorBytes(byteCount: whole.count * target.byteCount) { memory in
        var row = 0
        while row < rows {
          let end = Int.random(in: row + 1...rows, using: &random)
          let size = columns * target.byteCount
          elements.slice(row * columns..<end * columns).write(
            as: target,
            to: UnsafeMutableRawBufferPointer(rebasing: memory[row * size..<end * size]))
          row = end
        }
      }
      #expect(found.array == expected.array, "\(rows) x \(columns) as \(target)")
    }
  }

  private struct OneMatrix: CheckpointTensors {
    let matrix: SafetensorsTensor
    let numbers: TensorElements

    var sourceFiles: [SourceFile] { [] }
    var tensors: [SafetensorsTensor] { [matrix] }
    func tensor(named name: String) -> SafetensorsTensor? { name == matrix.name ? matrix : nil }
    func origin(of name: String) -> TensorOrigin? { nil }
    func elements(of name: String) -> TensorElements? { name == matrix.name ? numbers : nil }
  }

  @Test func conversionStoresTheSum() throws {
    let module = "transformer_blocks.0.attn1.to_k"
    let (rows, columns) = try shape(module + ".weight")
    let (a, b) = (Matrix([3, columns], seed: 1), Matrix([rows, 3], seed: 2))
    let path = try lora(["\(module).lora_A.weight": a, "\(module).lora_B.weight": b])
    let output = directory.path("x.sana")
    try CheckpointConversion(
      try OfficialCheckpoint(path: Self.transformer), precision: .f32,
      adapters: [try LowRankAdapter(path: path, scale: 2)]
    ).write(to: output)
    let file = try ModelFile(path: output)
    let stored = try file.source(for: .transformer).load("transformer_blocks.0.attn1.to_qkv.weight")
    let values = stored.values.bytes.assumingMemoryBound(to: Float.self)
    expectClose(
      Array(values[rows * columns..<2 * rows * columns]),
      try expected(module + ".weight", [(b, a, 2)]))
    let lora = try #require(file.metadata["provenance"]?["loras"]?.arrayValue?.first)
    #expect(lora["name"] == "x.safetensors" && lora["scale"] == .number(2))
    #expect(lora["sha256"]?.stringValue?.count == 64)
  }

  @Test func whatDoesNotFitIsNamed() throws {
    func error(_ tensors: [String: Matrix]) throws -> SanaError {
      let path = try lora(tensors)
      return try #require(throws: SanaError.self) {
        try AdaptedTensors(component().weights, adapters: [try LowRankAdapter(path: path)])
      }
    }
    let small = Matrix([2, 2], seed: 1)
    let module = "transformer_blocks.0.attn1.to_q"
    #expect(
      try error(["\(module).lora_A.weight": small]).message.contains("lacks its other half"))
    #expect(try error(["\(module).dora_scale": small]).message.contains("no tensor of a LoRA"))
    #expect(
      try error(["nothing.lora_A.weight": small, "nothing.lora_B.weight": small]).message
        .contains("'nothing.weight', which the transformer does not have"))
    #expect(
      try error(["\(module).lora_A.weight": small, "\(module).lora_B.weight": small]).message
        .contains("a matrix of 2 x 2"))
    #expect(
      try error([
        "\(module).lora_A.weight": small, "\(module).lora_B.weight": Matrix([2, 3], seed: 1),
      ]).message.contains("does not fit"))
    #expect(
      try error([
        "\(module).lora_A.weight": small, "transformer.\(module).lora_A.weight": small,
      ]).message.contains("two names"))
    let depthwise = "transformer_blocks.0.ff.conv_depth"
    #expect(
      try error(["\(depthwise).lora_A.weight": small, "\(depthwise).lora_B.weight": small]).code
        == .tensorMismatch)
    #expect(throws: SanaError.self) {
      try CheckpointConversion(
        try OfficialCheckpoint(path: Checkpoints.path("sana-tiny"), components: [.autoencoder]),
        adapters: [
          try LowRankAdapter(
            path: try lora(["m.lora_A.weight": small, "m.lora_B.weight": small]))
        ])
    }
  }

  @Test(arguments: [(1, 1), (4, 63), (32, 64), (7, 131), (16, 257)])
  func everyInstructionSetAddsTheSameBits(_ rank: Int, _ columns: Int) {
    let up = Matrix([rank], seed: 1).values
    let down = Matrix([rank, columns], seed: 2).values
    let row = Matrix([columns], seed: 3).values
    let expected = (0..<columns).map { column in
      var sum: Float = 0
      for index in 0..<rank { sum += up[index] * down[index * columns + column] }
      return row[column] + 0.75 * sum
    }
    for isa in [
      SANA_ISA_PORTABLE, SANA_ISA_AVX2, SANA_ISA_AVX512, SANA_ISA_AVX512_VNNI, SANA_ISA_NEON,
      SANA_ISA_NEON_DOTPROD, SANA_ISA_NEON_I8MM,
    ] where sana_cpu_supports(isa) {
      var found = row
      sana_kernels_for(isa).pointee.add_low_rank(up, down, rank, columns, 0.75, &found)
      #expect(found == expected, "\(isa)")
    }
  }
}
