import Testing
import Traces
import Verification

@Suite struct VerificationReportTests {
  /// A value with about this many decibels.
  private func value(
    _ name: String, _ kind: ComparedValue.Kind, error: Float
  ) throws -> ComparedValue {
    ComparedValue(
      name: name, kind: kind, comparison: try Comparison(reference: [1], result: [1 + error]))
  }

  private func report(
    _ bounds: VerificationBounds, _ values: ComparedValue...
  ) -> VerificationReport {
    var report = VerificationReport(bounds: bounds)
    for value in values { report.add(value) }
    return report
  }

  @Test func eachKindOfValueHasItsBound() throws {
    let eighty = Float(1e-4)
    #expect(try !report(.parity, value("a", .forwardPass, error: eighty)).passed)
    #expect(try report(.parity, value("a", .accumulated, error: eighty)).passed)
    #expect(try !report(.parity, value("a", .exact, error: eighty)).passed)
    #expect(
      try report(.minimum(decibels: 70), value("a", .forwardPass, error: eighty)).passed)
    #expect(
      try !report(.minimum(decibels: 90), value("a", .accumulated, error: eighty)).passed)
    #expect(try report(.report, value("a", .forwardPass, error: 0.5)).passed)
    #expect(try !report(.report, value("a", .exact, error: 0.5)).passed)
    #expect(try !report(.report, value("a", .forwardPass, error: 0.8)).passed)
  }

  @Test func whatHasNothingToDoWithTheTraceIsCalledSo() throws {
    let related = try report(.parity, value("a", .accumulated, error: 0.7))
    #expect(!related.passed && !related.isOfAnotherModel)
    #expect(!related.table().contains("another model"))
    for bounds in [VerificationBounds.parity, .report] {
      let foreign = try report(
        bounds, value("a", .accumulated, error: 0.72), value("b", .forwardPass, error: 0))
      #expect(!foreign.passed && foreign.isOfAnotherModel)
      #expect(foreign.table().contains("another model"))
      #expect(foreign.json["other_model"]?.boolValue == true)
    }
    // Who names a bound is taken at his word.
    #expect(try report(.minimum(decibels: 0), value("a", .forwardPass, error: 0.8)).passed)
    // What is broken says nothing about where it comes from.
    #expect(try !report(.report, value("a", .forwardPass, error: .nan)).isOfAnotherModel)
  }

  @Test(arguments: [VerificationBounds.parity, .minimum(decibels: -1000), .report])
  func whatIsNotFiniteNeverPasses(bounds: VerificationBounds) throws {
    #expect(try !report(bounds, value("a", .forwardPass, error: .nan)).passed)
    #expect(try !report(bounds, value("a", .accumulated, error: .infinity)).passed)
  }

  @Test func rulersAreToldAndNotJudged() throws {
    var report = try self.report(
      .parity, value("case_a/first_step/model_output", .forwardPass, error: 0))
    let name = "case_a/first_step/model_output_bfloat16"
    report.add(ruler: try value(name, .forwardPass, error: 0.01))
    #expect(report.passed)
    #expect(report.values.count == 1)
    #expect(report.table().contains("\(name): 40.0 dB"))
    #expect(report.json["rulers"]?.arrayValue?.first?["name"]?.stringValue == name)
    #expect(report.csv.contains("ruler,\(name),"))
    let file = VerificationReport.File(role: "model", path: "a<b>.sana", digest: "0")
    let page = report.page([file], tool: "test")
    #expect(page.contains("a&lt;b&gt;.sana") && !page.contains("<b>.sana"))
  }

  @Test func nothingComparedIsNoPass() {
    #expect(!VerificationReport(bounds: .report).passed)
  }

  @Test func picturesMayDifferByALevelHereAndThere() throws {
    let reference = [UInt8](repeating: 100, count: 3000)
    func passes(_ changes: [Int: UInt8]) throws -> Bool {
      var result = reference
      for (index, level) in changes { result[index] = level }
      var report = try self.report(.parity, value("a", .forwardPass, error: 0))
      report.add(try ComparedPicture(name: "image", reference: reference, result: result))
      return report.passed
    }
    #expect(try passes([:]))
    #expect(try passes(Dictionary(uniqueKeysWithValues: (0..<3000).map { ($0, 101) })))
    #expect(try passes([5: 103, 6: 97]))
    #expect(try !passes([5: 104]))
    #expect(try !passes([5: 102, 6: 102, 7: 102, 8: 102]))
  }

  @Test func jsonHoldsTheWorstFirst() throws {
    var report = try self.report(
      .parity, value("good", .forwardPass, error: 0), value("bad", .forwardPass, error: 0.125))
    report.add(try ComparedPicture(name: "x", reference: [10, 20], result: [11, 20]))
    report.add(try ComparedPicture(name: "y", reference: [10, 20], result: [10, 20]))
    let json = report.json
    #expect(json["passed"]?.boolValue == false)
    let minimum = try #require(json["minimum_snr_db"]?.numberValue)
    #expect(abs(minimum - 18.0618) < 1e-3)
    let values = try #require(json["values"]?.arrayValue)
    #expect(values.map { $0["name"]?.stringValue } == ["bad", "good"])
    #expect(values[0]["max_abs_error"]?.numberValue == 0.125)
    #expect(values[1]["snr_db"]?.numberValue == 300)
    #expect(json["image"]?["max_abs_error"]?.integerValue == 1)
    #expect(abs((json["image"]?["psnr_db"]?.numberValue ?? 0) - 51.1411) < 1e-3)
  }

  @Test func theTableListsWhatFailedEvenBeyondItsLimit() throws {
    let report = try report(
      .parity, value("first", .forwardPass, error: 0.5),
      value("second", .forwardPass, error: 0.25), value("third", .forwardPass, error: 0))
    let table = report.table(limit: 1)
    #expect(table.contains("first") && table.contains("second") && !table.contains("third"))
    #expect(table.contains("failed: out of bounds are 2 of 3 values"))
  }
}
