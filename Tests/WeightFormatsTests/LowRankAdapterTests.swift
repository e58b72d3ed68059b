import CKernels
import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

@Suite struct LowRankAdapterTests {
  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  private var samples: AdapterSamples { AdapterSamples(directory: directory) }

  private typealias Matrix = AdapterSamples.Matrix

  private func lora(_ tensors: [String: Matrix], _ name: String = "x.safetensors") throws -> String
  {
    try samples.file(tensors, name)
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
      let (rows, columns) = try AdapterSamples.shape(module + ".weight")
      let (a, b) = (Matrix([3, columns], seed: 1), Matrix([rows, 3], seed: 2))
      let path = try lora([
        "\(prefix)\(module).\(down).weight": a, "\(prefix)\(module).\(up).weight": b,
      ])
      let adapter = try LowRankAdapter(path: path, scale: 0.7)
      AdapterSamples.expectClose(
        try AdapterSamples.merged(module + ".weight", [adapter]),
        try AdapterSamples.expected(module + ".weight", [(b, a, 0.7)]))
    }
  }

  @Test func adaptersAddUpWithTheirOwnAlpha() throws {
    let module = "transformer_blocks.0.ff.conv_inverted"
    let (rows, columns) = try AdapterSamples.shape(module + ".weight")
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
    AdapterSamples.expectClose(
      try AdapterSamples.merged(module + ".weight", adapters),
      try AdapterSamples.expected(module + ".weight", [(b, a, 0.5 * 8 / 2), (d, c, -1)]))
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
    let matrix = OneMatrix(
      matrix: CheckpointTensor(name: name, type: type, shape: base.shape), numbers: original)
    let tensors = try AdapterMerging(adapters, networks: [(.transformer, matrix)])
      .adapted(matrix, of: .transformer)
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
    let matrix: CheckpointTensor
    let numbers: TensorElements

    var sourceFiles: [SourceFile] { [] }
    var tensors: [CheckpointTensor] { [matrix] }
    func tensor(named name: String) -> CheckpointTensor? { name == matrix.name ? matrix : nil }
    func origin(of name: String) -> TensorOrigin? { nil }
    func elements(of name: String) -> TensorElements? { name == matrix.name ? numbers : nil }
  }

  @Test func conversionStoresTheSum() throws {
    let module = "transformer_blocks.0.attn1.to_k"
    let (rows, columns) = try AdapterSamples.shape(module + ".weight")
    let (a, b) = (Matrix([3, columns], seed: 1), Matrix([rows, 3], seed: 2))
    let path = try lora(["\(module).lora_A.weight": a, "\(module).lora_B.weight": b])
    let output = directory.path("x.sana")
    try CheckpointConversion(
      try OfficialCheckpoint(path: AdapterSamples.transformer), precision: .f32,
      adapters: [try LowRankAdapter(path: path, scale: 2)]
    ).write(to: output)
    let file = try ModelFile(path: output)
    let stored = try file.source(for: .transformer).load("transformer_blocks.0.attn1.to_qkv.weight")
    let values = stored.values.bytes.assumingMemoryBound(to: Float.self)
    AdapterSamples.expectClose(
      Array(values[rows * columns..<2 * rows * columns]),
      try AdapterSamples.expected(module + ".weight", [(b, a, 2)]))
    let lora = try #require(file.metadata["provenance"]?["loras"]?.arrayValue?.first)
    #expect(lora["name"] == "x.safetensors" && lora["scale"] == .number(2))
    #expect(lora["sha256"]?.stringValue?.count == 64)
  }

  @Test func whatDoesNotFitIsNamed() throws {
    func error(_ tensors: [String: Matrix]) throws -> SanaError {
      let path = try lora(tensors)
      return try #require(throws: SanaError.self) {
        try AdapterSamples.merged("proj_out.weight", [try LowRankAdapter(path: path)])
      }
    }
    let small = Matrix([2, 2], seed: 1)
    let module = "transformer_blocks.0.attn1.to_q"
    #expect(
      try error(["\(module).lora_A.weight": small]).message.contains("lacks its other half"))
    #expect(try error(["\(module).dora_scale": small]).message.contains("lacks the matrix"))
    #expect(
      try error(["\(module).weight": small]).message.contains(".weight' is no tensor of a LoRA"))
    #expect(
      try error(["nothing.lora_A.weight": small, "nothing.lora_B.weight": small]).message
        .contains("adapts 'nothing', which the transformer does not have"))
    #expect(
      try error(["\(module).lora_A.weight": small, "\(module).lora_B.weight": small]).message
        .contains("a matrix of 2 x 2"))
    #expect(
      try error([
        "\(module).lora_A.weight": small, "\(module).lora_B.weight": Matrix([2, 3], seed: 1),
      ]).message.contains("does not fit"))
    #expect(
      try error([
        "\(module).lora_A.weight": small, "\(module).lora.down.weight": small,
      ]).message.contains("two names"))
    let (rows, columns) = try AdapterSamples.shape(module + ".weight")
    let (a, b) = (Matrix([1, columns], seed: 1), Matrix([rows, 1], seed: 2))
    #expect(
      try error([
        "\(module).lora_A.weight": a, "\(module).lora_B.weight": b,
        "transformer.\(module).lora_A.weight": a, "transformer.\(module).lora_B.weight": b,
      ]).message.contains("which another tensor adapts too"))
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
