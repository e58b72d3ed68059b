import CommandLineSupport
import Testing

@Suite struct ByteSizeTests {
  @Test(arguments: [
    ("512MiB", 512 << 20), ("4GiB", 4 << 30), ("4GB", 4_000_000_000), ("1.5 GiB", 3 << 29),
    ("1000000", 1_000_000), ("0", 0), ("64kib", 65536), ("7b", 7), ("2TiB", 2 << 40),
  ])
  func readsWhatPeopleWrite(text: String, bytes: Int) {
    #expect(ByteSize(parsing: text)?.bytes == bytes)
  }

  @Test(arguments: [
    "", "MiB", "-1", "4 gigs", "1e9", "4GiBs", ".5GiB", "1.2.3MB", "NaN", "inf", "99999999999TiB",
    "٤MiB",
  ])
  func refusesWhatIsNoSize(text: String) {
    #expect(ByteSize(parsing: text) == nil)
  }

  @Test(arguments: [
    (0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (1536, "1.50 KiB"), (1_048_000, "1.00 MiB"),
    (1_567_000_000, "1.46 GiB"), (123 << 20, "123 MiB"), (3 << 40, "3.00 TiB"),
  ])
  func printsThreeDigits(bytes: Int, text: String) {
    #expect(ByteSize(bytes).description == text)
  }
}
