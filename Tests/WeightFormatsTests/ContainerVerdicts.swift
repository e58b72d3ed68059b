import TestSupport

/// Files on which two readers of the format must agree: constructed for one rule each, with good
/// checksums.
struct ContainerVerdict: Sendable {
  let name: String
  let isAccepted: Bool
  let bytes: [UInt8]

  private init(_ name: String, _ isAccepted: Bool, _ change: (inout HandmadeContainer) -> Void) {
    var container = HandmadeContainer()
    change(&container)
    self.init(name: name, isAccepted: isAccepted, bytes: Array(container.bytes))
  }

  private init(name: String, isAccepted: Bool, bytes: [UInt8]) {
    self.name = name
    self.isAccepted = isAccepted
    self.bytes = bytes
  }

  static var all: [ContainerVerdict] {
    accepted + names + metadata + versions + chunks + blocks
      + AttackTable.attacks.filter { $0.reader == .container }.map {
        ContainerVerdict(name: $0.name, isAccepted: false, bytes: $0.contents())
      }
  }

  private typealias Chunk = HandmadeContainer.Chunk
  private typealias Plane = HandmadeContainer.Plane

  private static func stored(_ bytes: [UInt8]) -> Plane {
    Plane(chunks: bytes.isEmpty ? [] : [Chunk(stored: bytes, rawByteCount: UInt32(bytes.count))])
  }

  private static func float(_ value: Float) -> [UInt8] { .little(value.bitPattern) }

  /// A tensor of codes with its scales.
  private static func coded(
    _ name: String, _ shape: [UInt64], encoding: UInt8, parameter: UInt32 = 0, codes: [UInt8],
    scales: [Float]
  ) -> ContainerVerdict {
    ContainerVerdict(name, true) {
      $0.tensors[0].shape = shape
      $0.tensors[0].encoding = encoding
      $0.tensors[0].parameter = parameter
      $0.tensors[0].planes = [stored(codes), stored(scales.flatMap(float))]
    }
  }

  /// What has no consequence for a reader, or is allowed and looks odd.
  private static var accepted: [ContainerVerdict] {
    [
      ContainerVerdict("nothing special", true) { _ in },
      coded("a code of -128", [1, 2], encoding: 4, codes: [0x80, 1], scales: [1]),
      coded(
        "a nibble of -8", [1, 8], encoding: 6, parameter: 8, codes: [0, 1, 2, 3], scales: [1]),
      coded(
        "a padding nibble that is not 8", [1, 9], encoding: 6, parameter: 8,
        codes: [0x88, 0x88, 0x88, 0x88, 0xF8], scales: [1, 1]),
      coded("a scale that is NaN", [1, 2], encoding: 4, codes: [1, 1], scales: [.nan]),
      coded("a negative scale", [1, 2], encoding: 4, codes: [1, 1], scales: [-1]),
      coded("a row of zeros with a scale", [1, 2], encoding: 4, codes: [0, 0], scales: [7]),
      coded("a vector of int8", [3], encoding: 4, codes: [1, 2, 3], scales: [1, 1, 1]),
      coded("rows without columns", [2, 0], encoding: 4, codes: [], scales: [1, 1]),
      coded("groups without columns", [2, 0], encoding: 5, parameter: 8, codes: [], scales: []),
      coded(
        "a group wider than the row", [1, 2], encoding: 5, parameter: 4096, codes: [1, 2],
        scales: [1]),
      ContainerVerdict("a flag of 2", true) {
        $0.tensors[0].shape = [1]
        $0.tensors[0].encoding = 7
        $0.tensors[0].parameter = 8
        $0.tensors[0].planes = [stored([2])]
      },
      ContainerVerdict("plain f32", true) {
        $0.tensors[0].encoding = 7
        $0.tensors[0].parameter = 1
      },
      ContainerVerdict("a shuffled chunk that is stored", true) {
        $0.features = 2
        $0.tensors[0].planes[0].chunks[0].filter = 1
        $0.tensors[0].planes[0].chunks[0].elementByteCount = 8
      },
      ContainerVerdict("a component that nobody knows", true) {
        $0.componentNames = ["transformer", "upscaler"]
      },
      ContainerVerdict("no component", true) { $0.componentNames = [] },
    ]
  }

  private static func named(_ name: String, _ isAccepted: Bool) -> [ContainerVerdict] {
    let label = "\(Array(name.unicodeScalars.map(\.value)))".prefix(60)
    return [
      ContainerVerdict("a tensor \(label)", isAccepted) { $0.tensors[0].name = Array(name.utf8) },
      ContainerVerdict("a component \(label)", isAccepted) { $0.componentNames.append(name) },
    ]
  }

  private static var names: [ContainerVerdict] {
    let controls = ["\0", "\u{1F}", "\u{7F}", "\u{80}", "\u{85}", "\u{9B}", "\u{9F}"]
    let others = ["\u{A0}", "\u{AD}", "\u{200E}", "\u{2028}", "\u{FEFF}", "\u{10FFFF}", " "]
    return controls.flatMap { named("a\($0)", false) } + others.flatMap { named("a\($0)", true) }
      + named("", false) + named(String(repeating: "\u{e9}", count: 256), true)
      + named(String(repeating: "\u{e9}", count: 257), false)
      + [
        ("two names that look alike", "e\u{301}", true),
        ("two names that are one", "\u{e9}", false),
      ].map { label, second, isAccepted in
        ContainerVerdict(label, isAccepted) {
          var other = HandmadeContainer.Tensor()
          other.name = Array(second.utf8)
          $0.tensors[0].name = Array("\u{e9}".utf8)
          $0.tensors.append(other)
        }
      }
  }

  private static func member(_ name: String, _ value: [UInt8]) -> [UInt8] {
    .little(UInt32(name.utf8.count)) + Array(name.utf8) + value
  }

  /// An object whose member holds arrays in each other, a scalar in the innermost.
  private static func nested(_ levels: Int) -> [UInt8] {
    let arrays = (0..<levels - 1).flatMap { _ in [7, 1, 0, 0, 0] as [UInt8] }
    return [8, 1, 0, 0, 0] + member("a", arrays + [0])
  }

  private static var metadata: [ContainerVerdict] {
    [
      ContainerVerdict("a scalar at level 32", true) { $0.metadata = nested(32) },
      ContainerVerdict("a scalar at level 33", false) { $0.metadata = nested(33) },
      ContainerVerdict("members that look alike", true) {
        $0.metadata = [8, 2, 0, 0, 0] + member("\u{e9}", [0]) + member("e\u{301}", [0])
      },
      ContainerVerdict("a member twice", false) {
        $0.metadata = [8, 2, 0, 0, 0] + member("\u{e9}", [0]) + member("\u{e9}", [0])
      },
      ContainerVerdict("metadata of type 9", false) { $0.metadata = [9] },
      ContainerVerdict("metadata that are an array", false) { $0.metadata = [7, 0, 0, 0, 0] },
      ContainerVerdict("a component's metadata that are null", false) {
        $0.componentMetadata = [0]
      },
      ContainerVerdict("a tensor's metadata that are null", false) { $0.tensors[0].metadata = [0] },
      ContainerVerdict("a number that is infinite", true) {
        $0.metadata = [8, 1, 0, 0, 0] + member("a", [4] + .little(Double.infinity.bitPattern))
      },
    ]
  }

  private static var versions: [ContainerVerdict] {
    func header(_ major: UInt16, _ byteCount: Int) -> [UInt8] {
      var container = HandmadeContainer()
      container.major = major
      return Array(container.header) + [UInt8](repeating: 0, count: byteCount - 32)
    }
    return [
      ContainerVerdict("version 1.9", true) { $0.minor = 9 },
      ContainerVerdict("version 0.0", false) { $0.major = 0 },
      ContainerVerdict("version 2.0", false) { $0.major = 2 },
      ContainerVerdict(name: "40 bytes of 2.0", isAccepted: false, bytes: header(2, 40)),
      ContainerVerdict(name: "a header alone", isAccepted: false, bytes: header(1, 32)),
      ContainerVerdict(
        name: "half a header", isAccepted: false, bytes: Array(header(1, 32).prefix(20))),
      ContainerVerdict("bytes behind the directory", false) { $0.afterDirectory = [0] },
      ContainerVerdict("a hole before the directory", false) { $0.holeBeforeDirectory = 64 },
      ContainerVerdict("reserved bytes of the header", false) { $0.headerReserve = 1 },
      ContainerVerdict("reserved bytes of the footer", false) { $0.footerReserve = 1 },
      ContainerVerdict("a feature that nothing uses", false) { $0.features = 2 },
      ContainerVerdict("feature 5", false) { $0.features = 32 },
    ]
  }

  private static var chunks: [ContainerVerdict] {
    func chunk(_ name: String, _ change: @escaping (inout Chunk) -> Void) -> ContainerVerdict {
      ContainerVerdict(name, false) { change(&$0.tensors[0].planes[0].chunks[0]) }
    }
    return [
      chunk("an element of 3 bytes") {
        $0.filter = 1
        $0.elementByteCount = 3
      },
      chunk("an element without a filter") { $0.elementByteCount = 4 },
      chunk("filter 2") { $0.filter = 2 }, chunk("codec 2") { $0.codec = 2 },
      chunk("a reserved byte") { $0.reserved = 1 }, chunk("another checksum") { $0.checksum = 0 },
      chunk("a raw length of its own") { $0.rawByteCount = 20 },
      ContainerVerdict("encoding 8", false) { $0.tensors[0].encoding = 8 },
      ContainerVerdict("activations 2", false) { $0.tensors[0].activations = 2 },
      ContainerVerdict("a parameter without use", false) { $0.tensors[0].parameter = 8 },
      ContainerVerdict("a plain type 9", false) {
        $0.tensors[0].encoding = 7
        $0.tensors[0].parameter = 9
      },
    ]
  }

  /// LZ4 blocks of 24 zeros.
  private static var blocks: [ContainerVerdict] {
    func block(_ name: String, _ isAccepted: Bool, _ bytes: [UInt8]) -> ContainerVerdict {
      ContainerVerdict(name, isAccepted) {
        $0.features = 1
        $0.tensors[0].planes[0].chunks = [Chunk(stored: bytes, rawByteCount: 24, codec: 1)]
      }
    }
    let end: [UInt8] = [0x50, 0, 0, 0, 0, 0]
    return [
      block("a block", true, [0x1E, 0, 1, 0] + end),
      block("a match at distance 0", false, [0x1E, 0, 0, 0] + end),
      block("a match before the block", false, [0x1E, 0, 2, 0] + end),
      block("a match among the last literals", false, [0x1F, 0, 1, 0, 0, 0x40, 0, 0, 0, 0]),
      block(
        "a match that begins late", false,
        [0xD2] + [UInt8](repeating: 0, count: 13) + [1, 0] + end),
      block("a block that ends early", false, [0x1E, 0, 1]),
      block("a block that is too short", false, [0x1D, 0, 1, 0] + end),
    ]
  }
}
