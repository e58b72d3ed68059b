extension UnsafeRawBufferPointer {
  /// A little-endian integer. The caller has checked the bounds.
  package func unsigned<Field: FixedWidthInteger>(at offset: Int, as _: Field.Type) -> Field {
    Field(littleEndian: loadUnaligned(fromByteOffset: offset, as: Field.self))
  }
}
