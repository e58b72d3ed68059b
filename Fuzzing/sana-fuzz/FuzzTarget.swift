internal import CXXHash

/// A reader under attack.
protocol FuzzTarget: Sendable {
  /// Reads the bytes and uses everything that they turned out to be. A `SanaError` is an answer; anything else is a finding.
  func run(_ input: [UInt8])
  /// An input that differs a little, and still passes the checks that random changes never pass.
  func mutate(_ input: [UInt8], _ mutator: inout Mutator) -> [UInt8]
  /// Inputs to begin with.
  func seeds() throws -> [[UInt8]]
}

extension FuzzTarget {
  func mutate(_ input: [UInt8], _ mutator: inout Mutator) -> [UInt8] { mutator.mutate(input) }

  /// Reads every byte, so that the sanitizer sees where they are.
  func touch(_ bytes: UnsafeRawBufferPointer) { _ = sana_xxh64(bytes.baseAddress, bytes.count, 0) }
}
