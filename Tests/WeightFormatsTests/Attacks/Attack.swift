import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

/// A file that means harm, or was made by somebody careless, and the one answer to it.
struct Attack: CustomTestStringConvertible, Sendable {
  enum Reader: Sendable {
    case safetensors
    case torch
    case container
    case json
  }

  let name: String
  let reader: Reader
  let code: SanaError.Code
  /// The whole message but for places, or the part of it that tells this error from others.
  let message: String
  let contents: @Sendable () -> [UInt8]

  init(
    _ reader: Reader, _ name: String, _ code: SanaError.Code, _ message: String,
    contents: @escaping @Sendable () -> [UInt8]
  ) {
    self.name = name
    self.reader = reader
    self.code = code
    self.message = message
    self.contents = contents
  }

  var testDescription: String { name }

  /// Opens the file and reads all of it.
  func read() throws {
    let file = MappedFile(contents: contents(), path: "attack")
    switch reader {
    case .safetensors: _ = try SafetensorsFile(file)
    case .torch:
      let file = try TorchFile(file)
      for tensor in file.tensors { _ = try file.elements(of: tensor.name) }
    case .container:
      let file = try ModelFile(file)
      try file.verify()
      let source = try file.source(for: .transformer)
      for tensor in source.component.tensors { _ = try source.load(tensor.name) }
    case .json:
      _ = try withExtendedLifetime(file) { try JSONParser.parse(file.bytes, location: "attack") }
    }
  }
}

extension [UInt8] {
  static func little(_ value: some FixedWidthInteger) -> [UInt8] {
    Swift.withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }
}
