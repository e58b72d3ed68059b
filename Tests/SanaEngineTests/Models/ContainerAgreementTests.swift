import Foundation
import SanaEngine
import SanaGraph
import SanaModels
import Support
import TestSupport
import Testing
import WeightFormats

/// The networks read exactly the tensors that a `.sana` file holds: same names, same shapes, none left over.
@Suite struct ContainerAgreementTests {
  /// The configurations of the small checkpoints and, where `SANA_REFERENCE` names the reference folder, of every release.
  private static var configurations: [(name: String, configuration: ComponentConfiguration)] {
    get throws {
      var found: [(String, ComponentConfiguration)] = []
      for name in RecordedNetwork.names {
        for component in try RecordedNetwork.all(name)[0].checkpoint.components {
          found.append(("\(name) \(component.kind.rawValue)", component.configuration))
        }
      }
      guard let manifests = ReferenceTraces.fullDirectory?.appending(path: "manifests") else {
        return found
      }
      for name in try FileManager.default.contentsOfDirectory(atPath: manifests.path).sorted()
      where name.hasSuffix(".json") && !name.hasPrefix("pth") {
        let manifest = try JSONParser.parse(file: manifests.appending(path: name).path)
        for kind in ComponentKind.allCases {
          // A release of one component has no others.
          guard let document = manifest["components"]?[kind.officialFolder]?["config"] else {
            continue
          }
          found.append(
            (
              "\(name) \(kind.rawValue)",
              try ComponentConfiguration(kind, official: document, location: name)
            ))
        }
      }
      return found
    }
  }

  private func graphs(of configuration: ComponentConfiguration) -> [Graph] {
    switch configuration {
    case .textEncoder(let configuration):
      return [GemmaEncoder(configuration).graph(tokens: 5, batch: 1).graph]
    case .transformer(let configuration):
      let transformer = LinearDiffusionTransformer(configuration)
      return [
        transformer.promptGraph(tokens: 5, batch: 1).graph,
        transformer.timestepGraph(steps: 2).graph,
        transformer.stepGraph(height: 2, width: 3, batch: 1, tokens: 5).graph,
      ]
    case .autoencoder(let configuration):
      let side = configuration.compression
      return [
        AutoencoderDecoder(configuration).graph(height: 1, width: 2, batch: 1).graph,
        AutoencoderEncoder(configuration).graph(height: side, width: 2 * side, batch: 1).graph,
      ]
    }
  }

  private struct TensorShape: Hashable {
    let name: String
    let shape: [Int]
  }

  @Test func parametersAreTheContainersTensors() throws {
    let configurations = try Self.configurations
    #expect(configurations.count >= 6)
    for (name, configuration) in configurations {
      let parameters = graphs(of: configuration).flatMap(\.parameters)
        .map { TensorShape(name: $0.name, shape: $0.shape) }
      let expected = Set(
        OfficialLayout(configuration).rules.map { TensorShape(name: $0.name, shape: $0.shape) })
      #expect(Set(parameters) == expected, "\(name)")
      #expect(parameters.count == expected.count, "\(name)")
    }
  }
}
