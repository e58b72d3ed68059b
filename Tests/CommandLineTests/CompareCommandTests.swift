import Foundation
import Support
import TestSupport
import Testing

@Suite struct CompareCommandTests {
  private let quant: Tool
  private let directory: TestDirectory
  private let model: String
  private let prompts: String

  init() throws {
    quant = try Tool("sana-quant")
    directory = try TestDirectory()
    model = try ConvertedModels.make("sana-tiny", in: directory)
    prompts = try directory.write("a red fox\r\n\n  a blue bird \n", to: "prompts.txt")
  }

  private func variant(_ recipe: String, _ arguments: String...) throws -> String {
    let path = directory.path("\(recipe).sana")
    let outcome = try quant.run([model, "--recipe", recipe, "-o", path] + arguments)
    try #require(outcome.status == 0, "\(outcome.error)")
    return path
  }

  private func compare(_ variant: String, _ arguments: [String] = []) throws -> Tool.Outcome {
    try quant.run(
      [
        "compare", model, variant, "--prompts", prompts, "--width", "64", "--height", "96",
        "--no-binning", "--steps", "3",
      ] + arguments)
  }

  private func json(_ variant: String, _ arguments: String...) throws -> MetadataValue {
    let outcome = try compare(variant, arguments + ["--json"])
    try #require(outcome.status == 0, "\(outcome.error)")
    return try Array(outcome.output.utf8).withUnsafeBytes {
      try JSONParser.parse($0, location: "report")
    }
  }

  @Test func anInt8VariantIsMeasuredAtEveryStage() throws {
    let report = try json(variant("w8a8"))
    #expect(report["models"]?["variant"]?["recipe"]?.stringValue == "w8a8")
    #expect(report["models"]?["variant"]?["sha256"]?.stringValue?.count == 64)
    let stages = try #require(report["stages"])
    for stage in ["captions", "first_prediction", "final_latents", "psnr"] {
      let mean = try #require(stages[stage]?["mean"]?.numberValue, "\(stage)")
      #expect(10...60 ~= mean, "\(stage)")
      #expect(stages[stage]?["count"]?.integerValue == 2)
      #expect(try #require(stages[stage]?["worst"]?.numberValue) <= mean)
      #expect(try #require(stages[stage]?["low"]?.numberValue) <= mean)
    }
    #expect(try #require(stages["flip"]?["mean"]?.numberValue) > 0)
    // Another seed is much further away than fewer bits.
    let seeds = try #require(stages["other_seed_psnr"]?["mean"]?.numberValue)
    #expect(try #require(stages["psnr"]?["mean"]?.numberValue) > seeds + 5)
    let samples = try #require(report["samples"]?.arrayValue)
    #expect(samples.map { $0["steps_snr_db"]?.arrayValue?.count } == [3, 3])
  }

  /// One weight is coarse: it alone has an error of its own, what comes before has none, and what
  /// comes after has inherited it.
  @Test func theOperationThatErrsIsToldFromThoseThatInherit() throws {
    let coarse = "transformer/transformer_blocks.1.ff.conv_point.weight"
    let report = try json(variant("f32", "--rule", "\(coarse)=int4:32"), "--precision", "f32")
    let operations = try #require(report["operations"]?.arrayValue)
    let names = operations.compactMap { $0["name"]?.stringValue }
    #expect(operations.filter { $0["own"]?["snr_db"] != .null }.count == 1)
    let index = try #require(names.firstIndex(of: coarse))
    let own = try #require(operations[index]["own"]?["snr_db"]?.numberValue)
    #expect(10...35 ~= own)
    #expect(operations[index]["inherited"]?["snr_db"]?.numberValue == own)
    let inherited = operations.filter { $0["inherited"]?["snr_db"] != .null }
      .compactMap { $0["name"]?.stringValue }
    let last = try #require(names.lastIndex { $0.hasPrefix("transformer/") })
    #expect(inherited == Array(names[index...last]))
    // The variant's file holds the instruction's part, which sums in another order.
    let captions = report["stages"]?["captions"]
    #expect(
      captions?["equal"]?.integerValue == 2 || captions?["worst"]?.numberValue ?? 0 > 110)

    let offenders = try #require(report["offenders"]?.arrayValue)
    #expect(offenders.count == 1)
    #expect(try #require(offenders.first?["gain_db"]?.numberValue) > 60)
    #expect(try #require(offenders[0]["added_bytes"]?.integerValue) > 0)
  }

  /// A rule that the report names is one that `quantize` takes, and keeps the weight.
  @Test func theRulesCanBePasted() throws {
    let before = try json(variant("w8a8"), "--offenders", "4")
    let rules = (before["offenders"]?.arrayValue ?? []).compactMap { $0["rule"]?.stringValue }
    #expect((6...12).contains(rules.count))
    let protected = directory.path("protected.sana")
    let outcome = try quant.run(
      [model, "--recipe", "w8a8", "-o", protected] + rules.flatMap { ["--rule", $0] })
    #expect(outcome.status == 0, "\(outcome.error)")
    let after = try json(protected, "--offenders", "4")
    let others = (after["offenders"]?.arrayValue ?? []).compactMap { $0["rule"]?.stringValue }
    #expect(Set(rules).isDisjoint(with: others))
    let gains = (before["offenders"]?.arrayValue ?? []).compactMap { $0["gain_db"]?.numberValue }
    #expect(try #require(gains.max()) > 0.2)
  }

  @Test func aModelIsEqualToItself() throws {
    let outcome = try compare(
      model, ["--precision", "f32", "--minimum-snr", "300", "--minimum-psnr", "300"])
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(outcome.output.contains("passed: picture PSNR, equal"), "\(outcome.output)")
  }

  @Test func whatMissesItsBoundFails() throws {
    let path = try variant("w8a8")
    for (bound, words) in [
      ("--minimum-snr", "failed: first prediction"), ("--minimum-psnr", "failed: picture PSNR"),
    ] {
      let outcome = try compare(path, [bound, "90", "--operations", "0"])
      #expect(outcome.status == 1)
      #expect(outcome.output.contains(words), "\(outcome.output)")
      #expect(outcome.error.isEmpty, "\(outcome.error)")
    }
  }

  @Test func thePageIsCompleteInOneFile() throws {
    let page = directory.path("report.html")
    let outcome = try compare(
      variant("w8a8"), ["--report", page, "--csv", directory.path("x.csv")])
    #expect(outcome.status == 0, "\(outcome.error)")
    let html = try String(contentsOfFile: page, encoding: .utf8)
    for foreign in ["http:", "https:", "<script", "<link", "url(", "@import"] {
      #expect(!html.contains(foreign), "\(foreign)")
    }
    #expect(html.components(separatedBy: "data:image/png;base64,").count == 1 + 2 * 3)
    #expect(html.contains("prefers-color-scheme: dark"))
    #expect(html.components(separatedBy: "<svg").count > 4)
    #expect(html.contains("--rule"))
    let numbers = try Data(contentsOf: directory.url.appending(path: "report.json"))
    _ = try Array(numbers).withUnsafeBytes { try JSONParser.parse($0, location: "report.json") }
    let table = try String(contentsOfFile: directory.path("report.csv"), encoding: .utf8)
    #expect(try table == String(contentsOfFile: directory.path("x.csv"), encoding: .utf8))
    let lines = table.components(separatedBy: "\r\n")
    #expect(lines[0] == "section,name,prompt,seed,step,measure,value")
    #expect(
      lines.dropFirst().dropLast().allSatisfy {
        $0.split(separator: ",", omittingEmptySubsequences: false).count == 7
      })
    #expect(lines.contains { $0.hasPrefix("latents,,1,0,3,snr_db,") })
  }

  @Test func promptsThatAreNoneAreRefused() throws {
    let cases = [
      (directory.path("missing.txt"), "missing.txt"),
      (try directory.write("\n \n", to: "empty.txt"), "holds no prompt"),
      (try directory.write([0xFF, 0xFE, 0x00], to: "binary.txt"), "is no UTF-8 text of at most"),
      (directory.url.path, "is not a regular file"),
    ]
    for (path, words) in cases {
      let outcome = try quant.run("compare", model, model, "--prompts", path)
      #expect(outcome.status == 1)
      #expect(
        outcome.error.hasPrefix("error: ") && outcome.error.contains(words), "\(outcome.error)")
      #expect(outcome.error.split(separator: "\n").count == 1)
    }
    #expect(try quant.run("compare", model, model).status == 64)
    #expect(
      try quant.run("compare", model, model, "--prompt", "a", "--prompts", prompts).status == 64)
    #expect(
      try quant.run("compare", model, model, "--prompt", "a", "--operations", "-1").status == 64)
  }

  @Test func modelsThatAreNoVariantsOfOneAreRefused() throws {
    let demo = directory.path("demo.sana")
    try #require(Tool("sana-convert").run(Checkpoints.demo, "-o", demo).status == 0)
    let other = try compare(demo)
    #expect(other.status == 1)
    #expect(other.error.contains("compare variants of one model"), "\(other.error)")

    let part = directory.path("part.sana")
    try #require(
      Tool("sana-convert").run(
        Checkpoints.path("sana-tiny"), "-o", part, "--components", "transformer"
      ).status == 0)
    let incomplete = try compare(part)
    #expect(incomplete.status == 1)
    #expect(incomplete.error.contains("has no text-encoder"), "\(incomplete.error)")
  }

  @Test func noReportReplacesWhatTheCommandReads() throws {
    for option in ["--report", "--csv"] {
      for path in [model, prompts, "-"] {
        let outcome = try compare(model, [option, path])
        #expect(outcome.status == 1)
        #expect(outcome.error.hasPrefix("error: "), "\(outcome.error)")
      }
    }
    #expect(try String(contentsOfFile: prompts, encoding: .utf8).contains("red fox"))
  }
}
