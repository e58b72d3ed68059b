internal import CXXHash

/// XXH64 with seed 0, the checksum of everything in a `.sana` file.
func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
  sana_xxh64(bytes.baseAddress, bytes.count, 0)
}

func checksum(_ bytes: Slice<UnsafeRawBufferPointer>) -> UInt64 {
  checksum(UnsafeRawBufferPointer(rebasing: bytes))
}
