import Foundation
import TestSupport
import Testing

/// Disks and files that fail under the tools, and files that would take all memory if they were believed.
@Suite struct FailingFileTests {
  private let directory: TestDirectory
  private let convert: Tool

  init() throws {
    directory = try TestDirectory()
    convert = try Tool("sana-convert")
  }

  private func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory.url.path).sorted()
  }

  private func expectOneLine(_ outcome: Tool.Outcome, saying words: String...) {
    #expect(outcome.status == 1, "\(outcome.status): \(outcome.error)")
    #expect(outcome.error.hasPrefix("error: "), "\(outcome.error)")
    #expect(outcome.error.count { $0 == "\n" } == 1, "\(outcome.error)")
    for word in words { #expect(outcome.error.contains(word), "\(outcome.error)") }
  }

  @Test func aFileThatIsShortenedWhileItIsReadIsNamed() throws {
    let checkpoint = try SparseCheckpoint.autoencoder(in: directory)
    let before = try names()
    let running = try convert.start([checkpoint, "-o", directory.path("model.sana")])
    while running.process.isRunning, try names() == before { usleep(1000) }
    let weights = "\(checkpoint)/diffusion_pytorch_model.safetensors"
    try #require(truncate(weights, 100_000) == 0)
    expectOneLine(running.wait(), saying: weights, "shorter")
    #expect(try !names().contains("model.sana"))
  }

  /// Everything that writes, onto disks that are full at the start, soon or late. Where mounting is allowed;
  /// `ConvertCommandTests` limits the size of files for everybody.
  @Test(arguments: ["convert", "quantize", "export", "picture"], ["4k", "16k", "256k"])
  func aFullDiskIsOneLine(writer: String, size: String) throws {
    let disk = directory.path("disk")
    try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
    let model = try ConvertedModels.make("sana-tiny", in: directory)
    let before = try names()
    guard
      try Tool.shell("mount -t tmpfs -o size=\(size) tmpfs '\(disk)' 2>/dev/null").status == 0
    else {
      return
    }
    defer { _ = try? Tool.shell("umount '\(disk)'") }
    let output = "\(disk)/out"
    let outcome =
      switch writer {
      case "convert": try convert.run(Checkpoints.path("sana-tiny"), "-o", output)
      case "quantize": try Tool("sana-quant").run(model, "--recipe", "w8a8", "-o", output)
      case "export": try convert.run("export", model, "-o", output)
      default:
        try Tool("sana-run").run(
          model, "--prompt", "a fox", "--steps", "1", "--count", "40", "-o", "\(output).png")
      }
    expectOneLine(outcome, saying: output, "No space left on device", "free some space")
    // Pictures that were finished before the disk was full stay.
    let left = try FileManager.default.contentsOfDirectory(atPath: disk)
    #expect(left.allSatisfy { writer == "picture" && $0.hasSuffix(".png") }, "\(left)")
    #expect(try names() == before)
  }

  /// Claims of 1 TiB and more are answered within 1.5 GiB of address space, the libraries included.
  @Test func liesTakeNoMemory() throws {
    var bomb = HandmadeContainer()
    bomb.features = 1
    bomb.tensors[0].shape = [1 << 38]
    bomb.tensors[0].planes = [
      .init(chunks: [.init(stored: [0, 1, 2], rawByteCount: 16 << 20, codec: 1)], alignment: 4096)
    ]
    var chunks = HandmadeContainer()
    chunks.tensors[0].planes[0].chunkCount = .max
    let header = #"{"a":{"dtype":"U8","shape":[1099511627776],"data_offsets":[0,1099511627776]}}"#
    let safetensors = withUnsafeBytes(of: UInt64(header.utf8.count)) { Array($0) } + header.utf8
    let pickle = PickleSample.of {
      $0.code(0x7D)
      $0.string("t")
      $0.tensor([1 << 40], storage: "ByteStorage", key: "0", count: 1 << 40)
      $0.code(0x73)
    }
    let files: [(name: String, contents: [UInt8], command: String)] = [
      ("bomb.sana", Array(bomb.bytes), "check"), ("chunks.sana", Array(chunks.bytes), "check"),
      ("x.safetensors", safetensors, "convert"),
      ("x.pth", TorchSample.file(pickle, storages: [[1]]), "convert"),
    ]
    for file in files {
      let path = try directory.write(file.contents, to: file.name)
      let output = file.command == "convert" ? "-o '\(directory.path("out.sana"))'" : ""
      let outcome = try Tool.shell(
        "ulimit -v 1572864; exec '\(convert.path)' \(file.command) '\(path)' \(output)")
      expectOneLine(outcome, saying: path)
      #expect(!outcome.error.contains("memory"), "\(outcome.error)")
    }
  }
}
