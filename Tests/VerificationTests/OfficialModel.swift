import Foundation
import SanaEngine
import SanaGraph
import TestSupport
import Testing
import Verification
import WeightFormats

extension ModelUnderTest {
  /// A checkpoint of the fixtures, fused in memory; those components whose folders are there.
  static func fixture(_ name: String) throws -> ModelUnderTest {
    try ModelUnderTest(
      officialCheckpoint: Fixtures.directory.appending(path: "checkpoints/\(name)").path)
  }

  init(officialCheckpoint path: String) throws {
    let kinds = ComponentKind.allCases.filter {
      FileManager.default.fileExists(atPath: "\(path)/\($0.officialFolder)")
    }
    let checkpoint = try OfficialCheckpoint(path: path, components: Set(kinds))
    self.init(textEncoder: nil, transformer: nil, autoencoder: nil)
    for component in checkpoint.components {
      let weights = try FusedCheckpointSource(component)
      switch component.configuration {
      case .textEncoder(let configuration):
        let model = try #require(checkpoint.tokenizerModel).contents
        textEncoder = TextEncoder(
          configuration: configuration, tokenizer: try Tokenizer(model: model), weights: weights)
      case .transformer(let configuration):
        if let scheduler = checkpoint.scheduler {
          transformer = Transformer(
            configuration: configuration, scheduler: scheduler, weights: weights)
        }
      case .autoencoder(let configuration):
        autoencoder = Autoencoder(configuration: configuration, weights: weights)
      }
    }
  }
}
