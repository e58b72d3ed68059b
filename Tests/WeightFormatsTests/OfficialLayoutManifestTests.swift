import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

/// The layouts against the list of every tensor of every official release, where `SANA_REFERENCE` names it.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["SANA_REFERENCE"] != nil))
struct OfficialLayoutManifestTests {
  private static var manifests: [String] {
    guard let reference = ProcessInfo.processInfo.environment["SANA_REFERENCE"] else { return [] }
    let folder = reference + "/manifests"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter { $0.hasSuffix(".json") && !$0.hasPrefix("pth") }.sorted()
      .map { "\(folder)/\($0)" }
  }

  @Test func thereAreManifests() { #expect(Self.manifests.count >= 15) }

  @Test(arguments: manifests)
  func layoutIsExactlyTheReleased(_ path: String) throws {
    let manifest = try JSONParser.parse(file: path)
    let components = try #require(manifest["components"])
    #expect(components.members?.isEmpty == false)
    for kind in ComponentKind.allCases {
      // A release of one component has no others.
      guard let component = components[kind.officialFolder] else { continue }
      let configuration = try ComponentConfiguration(
        kind, official: #require(component["config"]), location: path)
      var released: [String: [Int]] = [:]
      for member in try #require(component["tensors"]?.members) {
        let shape = try #require(member.value.arrayValue?.last?.arrayValue)
        released[member.name] = shape.compactMap(\.integerValue)
      }
      let layout = OfficialLayout(configuration)
      let expected = Dictionary(
        uniqueKeysWithValues: layout.officialTensors.map { ($0.name, $0.shape) })
      #expect(expected == released, "\(kind.rawValue) of \(path)")
      #expect(layout.officialTensors.count == released.count)
      for rule in layout.rules where rule.fusion != .upsamplePhases {
        #expect(rule.elementCount == rule.sources.reduce(0) { $0 + $1.elementCount })
      }
    }
  }

  @Test(arguments: manifests)
  func schedulersAreKnown(_ path: String) throws {
    let manifest = try JSONParser.parse(file: path)
    let document = try #require(manifest["scheduler"])
    // Only a pipeline has one.
    guard manifest["model_index"] != .null else { return }
    #expect(throws: Never.self) {
      try SchedulerConfiguration(official: document, location: path)
    }
  }
}
