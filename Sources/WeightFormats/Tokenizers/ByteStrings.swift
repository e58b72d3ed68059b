internal import Support

/// Many byte strings, one behind the other in memory.
struct ByteStrings {
  private(set) var bytes: [UInt8] = []
  private var starts = [0]

  var count: Int { starts.count - 1 }

  func range(of index: Int) -> Range<Int> { starts[index]..<starts[index + 1] }

  subscript(index: Int) -> ArraySlice<UInt8> { bytes[range(of: index)] }

  mutating func append(_ string: some Collection<UInt8>) {
    bytes.append(contentsOf: string)
    starts.append(bytes.count)
  }

  /// Appends the string that `fill` puts at the end of the bytes.
  mutating func append(
    _ fill: (inout [UInt8]) throws(SanaError) -> Void
  ) throws(SanaError) {
    try fill(&bytes)
    starts.append(bytes.count)
  }
}
