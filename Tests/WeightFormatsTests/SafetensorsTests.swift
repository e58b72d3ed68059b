import Support
import TestSupport
import Testing
import WeightFormats

@Suite struct SafetensorsTests {
  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  private func file(_ header: String, data: Int, announced: UInt64? = nil) throws -> String {
    let length = announced ?? UInt64(header.utf8.count)
    return try directory.write(
      withUnsafeBytes(of: length.littleEndian) { Array($0) } + Array(header.utf8)
        + [UInt8](repeating: 7, count: data), to: "\(header.hashValue).safetensors")
  }

  private func error(_ header: String, data: Int = 0, announced: UInt64? = nil) throws -> SanaError
  {
    let path = try file(header, data: data, announced: announced)
    return try #require(throws: SanaError.self) { try SafetensorsFile(path: path) }
  }

  @Test func readsTensorsAndMetadata() throws {
    let file = try SafetensorsFile(
      path: file(
        #"{"__metadata__":{"format":"pt"},"b":{"dtype":"U8","shape":[3],"data_offsets":[4,7]},"a":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]},"none":{"dtype":"F32","shape":[0,5],"data_offsets":[7,7]},"scalar":{"dtype":"BF16","shape":[],"data_offsets":[7,9]}}   "#,
        data: 9))
    #expect(file.metadata == ["format": "pt"])
    #expect(file.tensors.map(\.name) == ["a", "b", "none", "scalar"])
    #expect(file.tensor(named: "a") == CheckpointTensor(name: "a", type: .f16, shape: [1, 2]))
    #expect(file.bytes(of: "b")?.bytes.elementsEqual([7, 7, 7]) == true)
    #expect(file.bytes(of: "none")?.bytes.count == 0)
    #expect(file.tensor(named: "c") == nil)
    #expect(file.bytes(of: "c") == nil)
  }

  @Test func bytesOutliveTheFile() throws {
    let path = try file(#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#, data: 2)
    let bytes = try #require(try SafetensorsFile(path: path).bytes(of: "a"))
    #expect(bytes.bytes.elementsEqual([7, 7]))
  }

  @Test func acceptsAFileWithoutTensors() throws {
    #expect(try SafetensorsFile(path: file("{}", data: 0)).tensors.isEmpty)
  }

  @Test func refusesFilesWithoutAWholeHeader() throws {
    for bytes in [[], [1, 2, 3], [UInt8](repeating: 0, count: 7)] {
      let path = try directory.write(bytes, to: "short.safetensors")
      let error = #expect(throws: SanaError.self) { try SafetensorsFile(path: path) }
      #expect(error?.code == .malformedFile)
    }
    #expect(try error("{}", announced: 3).code == .malformedFile)
    #expect(try error("{}", announced: 1).code == .malformedFile)
    #expect(try error("{}", announced: 100_000_001).message.contains("100000000"))
    #expect(try error("{}", announced: .max).code == .malformedFile)
    #expect(try error("", announced: 0).code == .malformedFile)
  }

  @Test(arguments: [
    "[]", "null", "{", " {}", "{}x", #"{"a":1}"#, #"{"a":[]}"#, #"{"a":{}}"#,
    #"{"a":{"dtype":"U8","shape":[1]}}"#, #"{"a":{"dtype":"U8","data_offsets":[0,1]}}"#,
    #"{"a":{"shape":[1],"data_offsets":[0,1]}}"#,
    #"{"a":{"dtype":1,"shape":[1],"data_offsets":[0,1]}}"#,
    #"{"a":{"dtype":"U8","shape":1,"data_offsets":[0,1]}}"#,
    #"{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}"#,
    #"{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}"#,
    #"{"a":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}}"#,
    #"{"a":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}}"#,
    #"{"a":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}}"#,
    #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0]}}"#,
    #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4,4]}}"#,
    #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}}"#,
    #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[-4,0]}}"#,
    #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,5]}}"#,
    #"{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,9223372036854775807]}}"#,
    #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,18446744073709551620]}}"#,
    #"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"U8","shape":[0,9223372036854775807],"data_offsets":[0,0]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"more":1}}"#,
    #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#,
    #"{"__metadata__":[],"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#,
    #"{"__metadata__":{"a":1},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#,
  ])
  func refusesHeader(_ header: String) throws {
    #expect(try error(header, data: 4).code == .malformedFile)
  }

  @Test func refusesOverlapsHolesAndTrailingBytes() throws {
    func two(_ first: (Int, Int), _ second: (Int, Int)) -> String {
      #"{"a":{"dtype":"U8","shape":[\#(first.1 - first.0)],"data_offsets":[\#(first.0),\#(first.1)]},"b":{"dtype":"U8","shape":[\#(second.1 - second.0)],"data_offsets":[\#(second.0),\#(second.1)]}}"#
    }
    #expect(try error(two((0, 4), (3, 8)), data: 8).message.contains("'b' that overlaps"))
    #expect(try error(two((0, 4), (0, 4)), data: 4).message.contains("overlaps"))
    #expect(
      try error(two((0, 3), (4, 8)), data: 8).message.contains(
        "hole of 1 bytes before the tensor 'b'"))
    #expect(try error(two((1, 4), (4, 8)), data: 8).message.contains("hole"))
    #expect(try error(two((0, 4), (4, 8)), data: 9).message.contains("1 bytes after"))
    #expect(try error("{}", data: 1).message.contains("1 bytes after"))
  }

  @Test(arguments: ["F8_E4M3", "F8_E5M2", "I16", "U16", "F4", "f32", ""])
  func refusesTypesByName(_ type: String) throws {
    let error = try error(#"{"x":{"dtype":"\#(type)","shape":[1],"data_offsets":[0,1]}}"#, data: 1)
    #expect(error.code == .unsupported)
    #expect(error.message == "dtype \(type) of tensor 'x' is not supported")
  }

  @Test func refusesWhatIsNoFile() throws {
    for path in [directory.url.path, directory.path("absent"), "/dev/null"] {
      let error = #expect(throws: SanaError.self) { try SafetensorsFile(path: path) }
      #expect(error?.code == .fileAccess)
    }
  }
}

@Suite struct SafetensorsWriterTests {
  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  private let tensors = [
    CheckpointTensor(name: "b", type: .f16, shape: [2]),
    CheckpointTensor(name: "a", type: .bool, shape: [3]),
    CheckpointTensor(name: "c", type: .f32, shape: [1, 1]),
    CheckpointTensor(name: "empty", type: .i64, shape: [0]),
  ]

  private func write(_ writer: SafetensorsWriter, _ bytes: [UInt8], _ name: String) throws {
    try bytes.withUnsafeBytes { try writer.write($0, as: name) }
  }

  @Test func whatIsWrittenReadsBackEqual() throws {
    let path = directory.path("out.safetensors")
    let writer = try SafetensorsWriter(path: path, tensors: tensors)
    try write(writer, [9, 9, 9], "a")
    try write(writer, [], "empty")
    try write(writer, [1, 2, 3, 4], "c")
    try write(writer, [5, 6, 7, 8], "b")
    #expect(try FileNames.list(directory).allSatisfy { $0 != "out.safetensors" })
    try writer.finish()
    #expect(try FileNames.list(directory) == ["out.safetensors"])
    let file = try SafetensorsFile(path: path)
    #expect(file.tensors.map(\.name) == ["empty", "c", "b", "a"])
    #expect(Set(file.tensors) == Set(tensors))
    #expect(file.bytes(of: "b")?.bytes.elementsEqual([5, 6, 7, 8]) == true)
    #expect(file.metadata == ["format": "pt"])
  }

  @Test func refusesWhatWasNotAnnounced() throws {
    let writer = try SafetensorsWriter(path: directory.path("out.safetensors"), tensors: tensors)
    #expect(throws: SanaError.self) { try write(writer, [1, 2, 3, 4], "a") }
    #expect(throws: SanaError.self) { try write(writer, [1], "z") }
    try write(writer, [1, 2], "a")
    let error = #expect(throws: SanaError.self) { try writer.finish() }
    #expect(error?.message.contains("'a'") == true)
  }

  @Test func refusesAmbiguousNames() throws {
    for name in ["a", "__metadata__"] {
      #expect(throws: SanaError.self) {
        try SafetensorsWriter(
          path: directory.path("out.safetensors"),
          tensors: [tensors[1], CheckpointTensor(name: name, type: .u8, shape: [1])])
      }
    }
  }

  @Test func anAbandonedFileLeavesNothing() throws {
    do {
      let writer = try SafetensorsWriter(path: directory.path("out.safetensors"), tensors: tensors)
      try write(writer, [9, 9, 9], "a")
    }
    #expect(try FileNames.list(directory).isEmpty)
  }

  @Test func aPlaceThatCannotBeWrittenIsAnError() {
    let error = #expect(throws: SanaError.self) {
      try SafetensorsWriter(path: directory.path("absent/out.safetensors"), tensors: tensors)
    }
    #expect(error?.code == .fileAccess)
  }
}

@Suite struct SafetensorsIndexTests {
  private let directory: TestDirectory

  init() throws {
    directory = try TestDirectory()
    for (file, name) in [("one", "a"), ("two", "b")] {
      let writer = try SafetensorsWriter(
        path: directory.path("\(file).safetensors"),
        tensors: [CheckpointTensor(name: name, type: .u8, shape: [1])])
      try [UInt8(1)].withUnsafeBytes { try writer.write($0, as: name) }
      try writer.finish()
    }
  }

  /// The files that an index names, as one.
  private func open(_ map: String) throws -> WeightCollection {
    let path = try directory.write(
      #"{"metadata":{},"weight_map":\#(map)}"#, to: "model.safetensors.index.json")
    return try WeightFiles.open(file: path)
  }

  @Test func joinsTheFiles() throws {
    let collection = try open(#"{"b":"two.safetensors","a":"one.safetensors"}"#)
    #expect(Set(collection.tensors.map(\.name)) == ["a", "b"])
    #expect(collection.tensor(named: "b") != nil)
    #expect(try collection.elements(of: "a")?.bytes.bytes.elementsEqual([1]) == true)
    #expect(collection.tensor(named: "c") == nil)
  }

  @Test(arguments: [
    "{}", "[]", "null", #"{"a":1}"#, #"{"a":""}"#, #"{"a":"../one.safetensors"}"#,
    #"{"a":"./x/../../one.safetensors"}"#, #"{"a":"/etc/passwd"}"#, #"{"a":"one.json"}"#,
  ])
  func refusesMap(_ map: String) throws {
    let error = try #require(throws: SanaError.self) { try open(map) }
    #expect(error.code == .malformedFile)
  }

  @Test func namesAMissingFile() throws {
    let error = try #require(throws: SanaError.self) {
      try open(#"{"a":"one.safetensors","z":"three.safetensors"}"#)
    }
    #expect(error.code == .fileAccess)
    #expect(error.message.contains("three.safetensors"))
  }

  /// The official libraries ask an index which files there are, and the files what is in them.
  @Test func theFilesSayWhatIsInThem() throws {
    for map in [
      #"{"x":"one.safetensors","b":"two.safetensors"}"#,
      #"{"a":"two.safetensors","b":"one.safetensors"}"#,
      #"{"a":"./one.safetensors","b":".//./two.safetensors"}"#,
    ] {
      #expect(Set(try open(map).tensors.map(\.name)) == ["a", "b"])
    }
  }

  @Test func ofTwoTensorsOfOneNameTheLastFilesIsTaken() throws {
    let writer = try SafetensorsWriter(
      path: directory.path("zero.safetensors"),
      tensors: [CheckpointTensor(name: "a", type: .u8, shape: [1])])
    try [UInt8(0)].withUnsafeBytes { try writer.write($0, as: "a") }
    try writer.finish()
    let collection = try open(#"{"a":"one.safetensors","b":"zero.safetensors"}"#)
    #expect(try collection.elements(of: "a")?.bytes.bytes.elementsEqual([0]) == true)
    #expect(collection.tensors.count == 1)
    #expect(collection.repeatedTensors == ["a"])
  }
}
