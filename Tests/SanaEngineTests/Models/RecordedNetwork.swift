import Foundation
import SanaEngine
import SanaGraph
import TestSupport
import Testing
import Traces
import WeightFormats

/// A tiny checkpoint and what PyTorch computed with it: the fixtures' copy, and the full one where `SANA_REFERENCE` names it.
struct RecordedNetwork {
  static let names = ["sana-tiny", "sana15-tiny", "sprint-tiny", "lite-tiny"]
  /// Least agreement of any value inside a forward pass.
  static let minimumDecibels = 90.0

  let name: String
  let trace: TraceFile
  let checkpoint: OfficialCheckpoint

  static func all(_ name: String) throws -> [RecordedNetwork] {
    let folders = [Fixtures.directory] + (ReferenceTraces.fullDirectory.map { [$0] } ?? [])
    return try zip(ReferenceTraces.files(name), folders).map { trace, folder in
      RecordedNetwork(
        name: name, trace: trace,
        checkpoint: try OfficialCheckpoint(
          path: folder.appending(path: "checkpoints/\(name)").path,
          components: try componentKinds(folder.appending(path: "checkpoints/\(name)"))))
    }
  }

  /// The components whose folders are there: the fixtures leave out those that another checkpoint has alike.
  private static func componentKinds(_ folder: URL) throws -> Set<ComponentKind> {
    Set(
      ComponentKind.allCases.filter {
        FileManager.default.fileExists(
          atPath: folder.appending(path: $0.officialFolder).appending(path: "config.json").path)
      })
  }

  var cases: [String] {
    get throws { try ReferenceTraces.cases(of: trace) }
  }

  /// The component, ready to run; `nil` where the checkpoint lacks it.
  func load(
    _ kind: ComponentKind, on backend: TestedBackend
  ) throws -> (configuration: ComponentConfiguration, model: any ResidentModel)? {
    guard let component = checkpoint.components.first(where: { $0.kind == kind }) else {
      return nil
    }
    return (component.configuration, try backend.make().load(try FusedCheckpointSource(component)))
  }

  func recorded(_ path: String) throws -> HostTensor { HostTensor(try trace.floats(path)) }

  /// Compares a value with a recorded one.
  func check(
    _ result: HostTensor, _ path: String, tokenCounts: [Int]? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let comparison = try Comparison(
      recorded: trace.floats(path), result: result, tokenCounts: tokenCounts)
    #expect(
      comparison.signalToNoiseDecibels >= Self.minimumDecibels,
      "\(name) \(path): \(comparison.signalToNoiseDecibels) dB", sourceLocation: sourceLocation)
  }

  /// Runs a graph and compares each of its named values that the group has too.
  /// - Returns: the names compared.
  func run(
    _ executable: any Executable, comparingWith group: String, tokenCounts: [Int]? = nil
  ) throws -> Set<String> {
    let datasets = Set(try trace.entries(of: group).map(\.name))
    var compared: Set<String> = []
    try executable.run { name, tensor in
      guard datasets.contains(name) else { return }
      try check(tensor, "\(group)/\(name)", tokenCounts: tokenCounts)
      compared.insert(name)
    }
    return compared
  }
}
