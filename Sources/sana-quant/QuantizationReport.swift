import CommandLineSupport
import Quantization
import Support
import WeightFormats

/// What a quantization did, tensor by tensor.
struct QuantizationReport {
  fileprivate struct Line {
    let name: String
    let shape: [Int]
    /// `nil` for a tensor that was computed.
    let before: TensorEncoding?
    let after: TensorTarget
    let bytesBefore: Int
    let bytesAfter: Int
    /// `nil` for a tensor that was copied.
    let distortion: MetadataValue?
  }

  private let lines: [Line]
  private let recipe: String
  private let fileBytesBefore: Int
  private let fileBytesAfter: Int
  private let overflows: [Quantizer.Overflow]

  init(_ quantizer: Quantizer, before: ModelFile, after: ModelFile) {
    recipe = quantizer.plan.recipe.name
    overflows = quantizer.overflows
    fileBytesBefore = before.byteCount
    fileBytesAfter = after.byteCount
    let steps = Dictionary(
      uniqueKeysWithValues: quantizer.plan.steps.map { (ExactString($0.qualifiedName), $0) })
    lines = after.components.flatMap { component in
      component.tensors.map { entry in
        let name = "\(component.name)/\(entry.name)"
        let step = steps[ExactString(name)]
        return Line(
          name: name, shape: entry.description.shape, before: step?.source.description.encoding,
          after: step?.target ?? TensorTarget(entry.description.encoding),
          bytesBefore: step?.source.storedByteCount ?? 0, bytesAfter: entry.storedByteCount,
          distortion: step?.isCopy ?? true ? nil : entry.metadata["distortion"])
      }
    }
  }

  /// What a person should know of numbers that are too small for a 16-bit format; `nil` where there are none.
  var vanished: String? {
    let counts = lines.compactMap { line -> Int? in
      guard [.f16, .bf16].contains(line.after.encoding),
        let share = line.distortion?["rounded_to_zero"]?.numberValue, share > 0
      else { return nil }
      return Int((share * Double(line.shape.reduce(1, *))).rounded())
    }
    guard !counts.isEmpty else { return nil }
    return
      "\(counts.reduce(0, +)) numbers of \(counts.count) tensors are too small for 16 bits and became zero (rounded_to_zero in --json)"
  }

  var text: String {
    var table = TextTable([
      .init("tensor"), .init("shape"), .init("encoding"), .init("before", .right),
      .init("after", .right), .init("SNR dB", .right), .init("max error", .right),
    ])
    for line in lines {
      let change = line.before.flatMap { line.distortion == nil ? nil : "\($0) -> " } ?? ""
      let snr = line.distortion?["snr_db"]?.numberValue
      let error = line.distortion?["max_abs_error"]?.numberValue
      table.append([
        line.name, "[\(line.shape.map(String.init).joined(separator: ", "))]",
        "\(change)\(line.after)",
        ByteSize(line.bytesBefore).description, ByteSize(line.bytesAfter).description,
        snr.map { $0.isInfinite ? "exact" : $0.formatted(decimals: 2) }
          ?? (line.before == nil ? "added" : "kept"),
        error.map { "\(Float($0))" } ?? "",
      ])
    }
    let share = Double(fileBytesAfter) / Double(fileBytesBefore) * 100
    return table.text
      + "\n\(lines.count) tensors, recipe \(recipe): \(ByteSize(fileBytesBefore)) ->"
      + " \(ByteSize(fileBytesAfter)) (\(share.formatted(decimals: 1)) %)\n"
  }

  var json: MetadataValue {
    .object([
      .init("recipe", .string(recipe)),
      .init("bytes_before", .integer(Int64(fileBytesBefore))),
      .init("bytes_after", .integer(Int64(fileBytesAfter))),
      .init(
        "kept_for_range",
        .array(
          overflows.map {
            [
              "name": .string("\($0.component.rawValue)/\($0.name)"),
              "numbers": .integer(Int64($0.count)),
              "max_abs": .number(Double($0.largestMagnitude)),
              "kept": .string("\($0.kept)"),
            ]
          })),
      .init("tensors", .array(lines.map(\.json))),
    ])
  }
}

extension QuantizationReport.Line {
  fileprivate var json: MetadataValue {
    .object(
      [
        .init("name", .string(name)),
        .init("shape", .array(shape.map { .integer(Int64($0)) })),
        .init("before", before.map { .string("\($0)") } ?? .null),
        .init("after", .string("\(after)")),
        .init("bytes_before", .integer(Int64(bytesBefore))),
        .init("bytes_after", .integer(Int64(bytesAfter))),
      ] + (distortion?.members ?? []))
  }
}
