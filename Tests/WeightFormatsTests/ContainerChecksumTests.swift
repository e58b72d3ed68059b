import CXXHash
import Testing

@Suite struct ContainerChecksumTests {
  /// Values of the reference implementation of xxHash for bytes `37 i + 11` modulo 256.
  @Test(
    arguments: [
      (0, 0, 0xEF46_DB37_51D8_E999), (4, 0, 0xFB1E_5CF2_F1AE_4D95), (4, 7, 0x2DC7_98D3_DB8E_F9AE),
      (31, 0, 0xE4A0_E629_E519_A4AE), (31, 7, 0x84CA_A0EF_1A8B_319D),
      (32, 0, 0xCC6B_8AAA_DA79_0B2D), (32, 7, 0x45FF_9053_881A_05CF),
      (33, 0, 0x35EC_4985_0475_A832), (33, 7, 0xA962_D39E_3908_E764),
      (100, 0, 0x4826_E367_566E_A023), (1000, 7, 0x106D_0C9D_AF94_5FCF),
    ] as [(Int, UInt64, UInt64)])
  func xxh64GivesTheReferenceValues(_ count: Int, _ seed: UInt64, _ expected: UInt64) {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: 37 * $0 + 11) }
    #expect(sana_xxh64(bytes, count, seed) == expected)
  }
}
