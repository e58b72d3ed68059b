internal import Foundation
internal import Support
internal import TestSupport
internal import WeightFormats

/// A byte of options, then the text: what is read must be written and read again the same, and the configurations of the networks
/// must accept or refuse it.
struct JSONTarget: FuzzTarget {
  func run(_ input: [UInt8]) {
    guard let first = input.first else { return }
    var options = first & 1 == 0 ? JSONParser.Options() : .configuration
    if first & 2 != 0 { options.depthLimit = 3 }
    let text = Array(input.dropFirst())
    guard let value = parse(text, options) else { return }
    var writing = JSONParser.Options.configuration
    writing.byteLimit = .max
    for style in [JSONWriter.Style.compact, .indented] {
      let written = JSONWriter.write(value, style: style)
      guard let again = parse(written, writing) else { fatalError("cannot read what was written") }
      precondition(JSONWriter.write(again, style: style) == written)
    }
    for kind in ComponentKind.allCases {
      _ = try? ComponentConfiguration(kind, official: value, location: "fuzz")
    }
    _ = try? SchedulerConfiguration(official: value, location: "fuzz")
  }

  /// From memory of exactly the text's size.
  private func parse(_ text: [UInt8], _ options: JSONParser.Options) -> MetadataValue? {
    let file = MappedFile(contents: text, path: "fuzz")
    return withExtendedLifetime(file) {
      try? JSONParser.parse(file.bytes, location: "fuzz", options: options)
    }
  }

  func mutate(_ input: [UInt8], _ mutator: inout Mutator) -> [UInt8] {
    guard mutator.chance(1, of: 2), let first = input.first,
      let value = parse(Array(input.dropFirst()), .configuration)
    else { return mutator.mutate(input) }
    let changed = mutator.mutate(value)
    return [first] + JSONWriter.write(changed, style: mutator.pick([.compact, .indented]))
  }

  func seeds() throws -> [[UInt8]] {
    let texts = [
      #"{"a":[null,true,false,-0,1.5e-3,"\u00e9\ud83d\ude00\n"],"b":{"c":{}}}"#,
      "[-Infinity,NaN,9223372036854775807,1e308]",
    ]
    let enumerator = FileManager.default.enumerator(
      atPath: Fixtures.directory.appending(path: "checkpoints/sana-tiny").path)
    let files = (enumerator?.compactMap { $0 as? String } ?? []).filter { $0.hasSuffix(".json") }
    let documents = try files.map {
      try [UInt8](Data(contentsOf: Checkpoints.url("sana-tiny").appending(path: $0)))
    }
    return (texts.map { Array($0.utf8) } + documents.filter { $0.count < 4000 }).map { [1] + $0 }
  }
}
