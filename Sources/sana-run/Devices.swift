import ArgumentParser
import CommandLineSupport
import SanaEngine
import SanaGraph
import Support

struct Devices: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the devices that models can run on.")

  @Flag(help: "Print one JSON object on standard output.")
  var json = false

  func run() throws {
    try ToolSession.run { _ in
      let devices = try DeviceDescription.all()
      if json {
        try JSONOutput.print(["devices": .array(devices.map(\.json))])
        return
      }
      var table = TextTable([.init("device"), .init("what it is")])
      for device in devices {
        table.append([device.name, "\(device.details), \(device.threads), \(device.memory)"])
      }
      try OutputStream.standardOutput.write(table.text)
    }
  }
}

extension DeviceDescription {
  fileprivate var memory: String {
    "\(memoryBytes.map { ByteSize($0).description } ?? "unknown") of memory"
  }

  /// How many threads start by themselves, and what keeps them from being one a processor.
  fileprivate var threads: String {
    var reasons: [String] = []
    if processors.allowed < processors.online {
      reasons.append("may use \(processors.allowed) of \(processors.online) processors")
    }
    if let quota = processors.quota {
      let share = quota.processors.formatted(decimals: 2)
      reasons.append("quota of \(share) processors in \(quota.path.abbreviated)")
    }
    let count = "\(processors.count) \(processors.count == 1 ? "thread" : "threads")"
    return reasons.isEmpty ? count : "\(count) (\(reasons.joined(separator: ", ")))"
  }

  fileprivate var json: MetadataValue {
    [
      "name": .string(name), "details": .string(details),
      "threads": .integer(Int64(processors.count)),
      "processors_online": .integer(Int64(processors.online)),
      "processors_allowed": .integer(Int64(processors.allowed)),
      "processor_quota": processors.quota.map { .number($0.processors) } ?? .null,
      "processor_quota_file": processors.quota.map { .string($0.path) } ?? .null,
      "memory_bytes": memoryBytes.map { .integer(Int64($0)) } ?? .null,
    ]
  }
}
