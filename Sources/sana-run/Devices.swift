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
        table.append([device.name, device.summary])
        for line in device.graphics?.lines ?? [] { table.append(["", line]) }
      }
      try OutputStream.standardOutput.write(table.text)
    }
  }
}

extension DeviceDescription {
  fileprivate var summary: String {
    let kind = graphics.map { [$0.kind] } ?? []
    let budget = graphics?.budgetBytes.map { ["\(ByteSize($0)) of it to use"] } ?? []
    return ([details] + kind + (processors.map { [threads($0)] } ?? []) + [memory] + budget)
      .joined(separator: ", ")
  }

  private var memory: String {
    "\(memoryBytes.map { ByteSize($0).description } ?? "unknown") of memory"
  }

  /// How many threads start by themselves, and what keeps them from being one a processor.
  private func threads(_ processors: AvailableProcessors) -> String {
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
      "threads": .optional(processors?.count),
      "processors_online": .optional(processors?.online),
      "processors_allowed": .optional(processors?.allowed),
      "processor_quota": processors?.quota.map { .number($0.processors) } ?? .null,
      "processor_quota_file": processors?.quota.map { .string($0.path) } ?? .null,
      "memory_bytes": .optional(memoryBytes),
      "graphics": graphics?.json ?? .null,
    ]
  }
}

extension DeviceDescription.Graphics {
  /// What else there is to say, each of it on a line.
  fileprivate var lines: [String] {
    let obstacles = obstacle.map { ["cannot be used: \($0)"] } ?? []
    let supports = ["supports " + features.joined(separator: ", ")]
    return ["driver \(driver), Vulkan \(vulkan)"] + obstacles + supports
      + products.flatMap { product in
        ["\(product.numbers) products by \(product.means)"]
          + product.reasons.map { "  because \($0)" }
      }
  }

  fileprivate var json: MetadataValue {
    [
      "kind": .string(kind), "driver": .string(driver), "vulkan": .string(vulkan),
      "budget_bytes": .optional(budgetBytes), "features": .array(features.map { .string($0) }),
      "products": .array(
        products.map {
          [
            "numbers": .string($0.numbers), "means": .string($0.means),
            "reasons": .array($0.reasons.map { .string($0) }),
          ]
        }),
      "quirks": .array(quirks.map { .string($0) }),
      "obstacle": obstacle.map { .string($0) } ?? .null,
    ]
  }
}

extension MetadataValue {
  fileprivate static func optional(_ number: Int?) -> MetadataValue {
    number.map { .integer(Int64($0)) } ?? .null
  }
}
