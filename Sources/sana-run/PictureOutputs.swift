import CommandLineSupport
import SanaEngine
import SanaGraph
import Support

/// Where a run's pictures go: the file named, or `name-1.png`, `name-2.png`, ..., or the standard
/// output.
struct PictureOutputs {
  /// `-` for the standard output, by whatever name.
  let paths: [String]
  let isStandardOutput: Bool

  /// - Throws: what `OutputFile` throws of any of them; `.invalidArgument` for several pictures in
  ///   one place.
  init(_ path: String, count: Int, reading inputs: InputFiles) throws(SanaError) {
    let whole = try OutputFile(path, .picture, reading: inputs)
    isStandardOutput = whole.isStandardOutput
    guard count > 1 else {
      paths = [isStandardOutput ? "-" : path]
      return
    }
    guard !isStandardOutput else {
      throw SanaError(
        .invalidArgument, "standard output takes one picture, not \(count)",
        remedy: "name a file after --output, or draw one picture")
    }
    paths = Self.names(path, count: count)
    var places: Set<OutputTarget> = []
    for path in paths {
      _ = try OutputFile(path, .picture, reading: inputs)
      guard places.insert(try OutputTarget(following: path)).inserted else {
        throw SanaError(
          .invalidArgument, "leads to the place of another of the pictures",
          remedy: "remove that link, or choose another output", location: path)
      }
    }
  }

  private static func names(_ path: String, count: Int) -> [String] {
    let isPNG = path.lowercased().hasSuffix(".png")
    let stem = isPNG ? String(path.dropLast(4)) : path
    let ending = isPNG ? path.suffix(4) : ""
    return (1...count).map { "\(stem)-\($0)\(ending)" }
  }

  /// Draws one of the pictures and writes it, row after row.
  ///
  /// A file appears complete or not at all. What has gone to the standard output stays there when
  /// drawing fails: a PNG file that plainly lacks its end.
  /// - Parameter index: which of them.
  func write(
    _ picture: some PictureSource, _ index: Int, texts: [(keyword: String, text: String)],
    cancellation: CancellationToken
  ) throws {
    if isStandardOutput {
      try PNGFile.write(picture, texts: texts, cancellation: cancellation) {
        try OutputStream.standardOutput.write(bytes: $0)
      }
    } else {
      try PNGFile.write(picture, to: paths[index], texts: texts, cancellation: cancellation)
    }
  }
}
