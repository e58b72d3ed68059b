import Foundation
import Support
import TestSupport
import Testing

@Suite struct VerifyCommandTests {
  private let quant: Tool
  private let directory: TestDirectory
  private let model: String
  private let trace = VerifyCommandTests.demo.appending(path: "trace.h5").path

  private static var demo: URL {
    Fixtures.directory.deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Demo")
  }

  init() throws {
    quant = try Tool("sana-quant")
    directory = try TestDirectory()
    model = directory.path("demo.sana")
    let converted = try Tool("sana-convert").run(
      Self.demo.appending(path: "sana-demo").path, "-o", model)
    try #require(converted.status == 0, "\(converted.error)")
  }

  @Test func aConvertedModelPassesAgainstPyTorch() throws {
    let outcome = try quant.run("verify", model, "--reference", trace, "--json")
    #expect(outcome.status == 0, "\(outcome.error)")
    let report = try Array(outcome.output.utf8).withUnsafeBytes {
      try JSONParser.parse($0, location: "report")
    }
    #expect(report["passed"]?.boolValue == true)
    #expect(try #require(report["minimum_snr_db"]?.numberValue) >= 90)
    let values = try #require(report["values"]?.arrayValue)
    #expect(values.count > 60)
    for key in ["snr_db", "max_abs_error", "cosine"] {
      #expect(values.allSatisfy { $0[key]?.numberValue != nil }, "\(key)")
    }
    #expect(try #require(report["image"]?["max_abs_error"]?.integerValue) <= 1)
    #expect(try #require(report["image"]?["psnr_db"]?.numberValue) >= 70)
  }

  @Test func aReducedModelIsReportedOrHeldToItsBound() throws {
    let reduced = directory.path("demo-w8a8.sana")
    let quantized = try quant.run(model, "--recipe", "w8a8", "-o", reduced)
    try #require(quantized.status == 0, "\(quantized.error)")
    let reported = try quant.run("verify", reduced, "--reference", trace, "--values", "3")
    #expect(reported.status == 0)
    #expect(reported.output.contains("without bounds"))
    let held = try quant.run(
      "verify", reduced, "--reference", trace, "--minimum-snr", "60", "--values", "0")
    #expect(held.status == 1)
    #expect(held.output.contains("below 60 dB"))
  }

  @Test func theReportIsAPageWithItsNumbersBesideIt() throws {
    let page = directory.path("verify.html")
    let outcome = try quant.run("verify", model, "--reference", trace, "--report", page)
    #expect(outcome.status == 0, "\(outcome.error)")
    let html = try String(contentsOfFile: page, encoding: .utf8)
    #expect(!html.contains("http") && !html.contains("<script"))
    #expect(html.contains("passed: ") && html.contains("<svg"))
    let table = try String(contentsOfFile: directory.path("verify.csv"), encoding: .utf8)
    #expect(table.hasPrefix("kind,name,snr_db,max_abs_error,cosine\r\n"))
    #expect(table.contains("\r\nforwardPass,case_demo/first_step/model_output,"))
    let numbers = try Data(contentsOf: directory.url.appending(path: "verify.json"))
    _ = try Array(numbers).withUnsafeBytes { try JSONParser.parse($0, location: "verify.json") }
    let refused = try quant.run("verify", model, "--reference", trace, "--report", trace)
    #expect(refused.status == 1 && refused.error.contains("read by this command"))
  }

  @Test(arguments: [
    (["--case", "nothing"], "choose one of demo"),
    (["--memory-limit", "1MiB"], "more than the limit"),
    (["--threads", "0"], "choose 1 to 1024"),
    (["--device", "vulkan:7"], "choose --device cpu"),
  ])
  func whatCannotBeDoneIsSaid(arguments: [String], message: String) throws {
    let outcome = try quant.run(["verify", model, "--reference", trace] + arguments)
    #expect(outcome.status == 1)
    #expect(outcome.error.hasPrefix("error: "))
    #expect(outcome.error.contains(message), "\(outcome.error)")
    #expect(outcome.output.isEmpty)
  }

  @Test func filesThatAreNoTracesAreRefused() throws {
    for path in [model, directory.path("missing.h5")] {
      let outcome = try quant.run("verify", model, "--reference", path)
      #expect(outcome.status == 1)
      #expect(outcome.error.contains(path), "\(outcome.error)")
    }
    #expect(try quant.run("verify", model).status == 64)
  }
}
