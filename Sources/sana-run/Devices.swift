import ArgumentParser
import CommandLineSupport
import SanaEngine
import WeightFormats

struct Devices: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the devices that models can run on.")

  @Flag(help: "Print one JSON object on standard output.")
  var json = false

  func run() throws {
    try ToolSession.run { _ in
      let devices = try DeviceDescription.all()
      if json {
        JSONOutput.print(["devices": .array(devices.map(\.json))])
        return
      }
      var table = TextTable([.init("device"), .init("what it is")])
      for device in devices {
        table.append(
          [device.name, "\(device.details), \(device.threads) threads, \(device.memory)"])
      }
      OutputStream.standardOutput.write(table.text)
    }
  }
}

extension DeviceDescription {
  fileprivate var memory: String {
    "\(memoryBytes.map { ByteSize($0).description } ?? "unknown") of memory"
  }

  fileprivate var json: MetadataValue {
    [
      "name": .string(name), "details": .string(details), "threads": .integer(Int64(threads)),
      "memory_bytes": memoryBytes.map { .integer(Int64($0)) } ?? .null,
    ]
  }
}
