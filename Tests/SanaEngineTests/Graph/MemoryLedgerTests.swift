import SanaGraph
import Support
import Testing

@Suite struct MemoryLedgerTests {
  @Test func whatALedgerWithinAnotherHoldsCountsInBoth() throws {
    let device = MemoryLedger(limit: 100)
    let run = MemoryLedger(within: device)
    let claim = try run.claim(60, for: .arena, "a")
    #expect(run.usedBytes == 60 && device.usedBytes == 60)
    #expect(device.usedBytes(for: .arena) == 60)
    // The device refuses, and the run holds nothing for it.
    let error = #expect(throws: SanaError.self) { try run.claim(41, for: .kept, "b") }
    #expect(error?.description.contains("limit of 100") == true)
    #expect(run.usedBytes == 60 && device.usedBytes == 60)
    try run.holding(40, for: .kept, "c") { #expect(device.usedBytes == 100) }
    withExtendedLifetime(claim) {}
    _ = consume claim
    #expect(run.usedBytes == 0 && device.usedBytes == 0)
    #expect(run.peakBytes == 100 && device.peakBytes == 100)
  }

  @Test func whatWasNotPlannedIsRefusedAsAFaultOfTheProgram() throws {
    let device = MemoryLedger()
    let run = MemoryLedger(within: device)
    run.hold(to: 10, planOf: "the stage 'text'")
    try run.holding(10, for: .kept, "captions") {}
    let error = #expect(throws: SanaError.self) { try run.claim(11, for: .kept, "captions") }
    #expect(error?.code == .memoryLimit)
    #expect(
      error?.message
        == "captions would take the stage 'text' to 11 bytes of memory, and 10 were planned")
    #expect(device.usedBytes == 0)
    run.limit = nil
    try run.holding(11, for: .kept, "captions") {}
  }
}
