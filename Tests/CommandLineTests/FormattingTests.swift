import CommandLineSupport
import Support
import Testing

@Suite struct FormattingTests {
  @Test(arguments: [
    (0.0, 2, "0.00"), (1.005, 1, "1.0"), (-0.04, 1, "0.0"), (-2.25, 1, "-2.3"), (12.5, 0, "13"),
    (.infinity, 2, "inf"), (.nan, 2, "nan"), (0.05, 3, "0.050"),
  ])
  func numbersHaveFixedDecimals(value: Double, decimals: Int, text: String) {
    #expect(value.formatted(decimals: decimals) == text)
  }

  @Test(arguments: [
    (Duration.milliseconds(85), "85 ms"), (.milliseconds(3420), "3.42 s"),
    (.seconds(42.04), "42.0 s"),
    (.seconds(125), "2 min 05 s"), (.milliseconds(999.9), "1.00 s"),
  ])
  func timesAreReadable(time: Duration, text: String) {
    #expect(time.readable == text)
  }

  @Test func tableColumnsAreAligned() {
    var table = TextTable([.init("name"), .init("size", .right), .init("note")])
    table.append(["a", "1.5 MiB", "first"])
    table.append(["longer", "12 B"])
    #expect(
      table.text == """
        name       size  note
        ------  -------  -----
        a       1.5 MiB  first
        longer     12 B

        """)
  }
}
