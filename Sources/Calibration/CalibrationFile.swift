public import Quantization
public import Support
internal import Traces
public import WeightFormats

/// A file of statistics that a calibration gathered, open for reading.
///
/// Opening checks what the file says about itself and that everything listed is there; the numbers
/// of an input are checked when they are asked for.
public final class CalibrationFile: InputStatistics, Sendable {
  public let path: String
  /// The program that wrote the file.
  public let tool: String
  /// What was drawn, as `sana-quant calibrate` was told and chose.
  public let settings: MetadataValue
  private let file: TraceFile
  private let header: CalibrationHeader
  private let inputs: [Key: CalibrationHeader.Input]

  private struct Key: Hashable {
    let component: ComponentKind
    let weight: String
  }

  static let headerPath = "header"
  static let headerDigest = "sha256"

  /// The largest part of a file that is read.
  private static let greatestByteCount = 4 << 30
  private static let greatestHeaderByteCount = 256 << 20

  /// - Throws: `.fileAccess` when the file cannot be read, `.malformedFile` when it holds no
  ///   statistics, `.corruptFile` when it is damaged, `.unsupported` for one of another version.
  public init(path: String) throws {
    self.path = path
    do {
      file = try TraceFile(path: path, maximumByteCount: Self.greatestByteCount)
    } catch let error as SanaError {
      throw Self.reworded(error)
    }
    header = try Self.header(of: file)
    tool = header.tool
    settings = header.settings
    var inputs: [Key: CalibrationHeader.Input] = [:]
    for input in header.inputs {
      try Self.check(input, in: file)
      for weight in input.weights {
        inputs[Key(component: input.component, weight: weight)] = input
      }
    }
    self.inputs = inputs
  }

  /// How many products the file knows the input of.
  public var productCount: Int { inputs.count }

  /// Of the numbers that the file holds.
  public var byteCount: Int {
    header.inputs.reduce(0) {
      $0 + ($1.rows + 2) * $1.columns * MemoryLayout<Float>.stride
    }
  }

  /// Whether statistics may be written in place of a file: an HDF5 file that holds others is not an
  /// older output.
  /// - Throws: `.fileAccess` where the file holds something else.
  public static func checkMayReplace(_ path: String) throws {
    guard FileSystem.kind(of: path) == .file, (try? FileKind(path: path)) == .hdf5,
      let file = try? TraceFile(path: path), !file.contains(headerPath)
    else { return }
    throw SanaError(
      .fileAccess, "is an HDF5 file of something else, and a file of statistics would replace it",
      remedy: "choose another name, or remove it first", location: path)
  }

  public func sample(of weight: String, in component: ComponentKind) throws -> InputSample? {
    guard let input = inputs[Key(component: component, weight: weight)] else { return nil }
    let group = "products/\(input.place)"
    do {
      let rows = Array(
        try file.floats("\(group)/rows").values.prefix(input.rows * input.columns))
      let maxima = try file.floats("\(group)/maxima").values
      let squares = try file.floats("\(group)/mean_squares").values
      var hash = SHA256()
      for numbers in [rows, maxima, squares] { numbers.withUnsafeBytes { hash.update($0) } }
      guard hash.finish() == input.digest, maxima.count == input.columns,
        squares.count == input.columns, rows.count == input.rows * input.columns,
        [rows, maxima, squares].allSatisfy({ $0.allSatisfy(\.isFinite) })
      else {
        throw Self.damaged("the input of '\(weight.abbreviated)' is not what was written", path)
      }
      return InputSample(
        columns: input.columns, rows: rows, maxima: maxima, meanSquares: squares,
        seenRows: input.seenRows)
    } catch let error as SanaError {
      throw Self.reworded(error)
    }
  }

  private static func header(of file: TraceFile) throws -> CalibrationHeader {
    guard file.contains(headerPath), file.contains("products") else {
      throw SanaError(
        .malformedFile, "holds no statistics of a model's inputs",
        remedy: "name a file that 'sana-quant calibrate' wrote", location: file.path)
    }
    let text: [UInt8]
    let digest: String
    do {
      let shape = try file.shape(headerPath)
      guard shape.count == 1, shape[0] <= greatestHeaderByteCount else {
        throw damaged("its list of products has shape \(shape)", file.path)
      }
      text = try file.uint8(headerPath).values
      digest = try file.string(headerDigest, of: headerPath)
    } catch let error as SanaError {
      throw reworded(error)
    }
    var hash = SHA256()
    text.withUnsafeBytes { hash.update($0) }
    guard hash.finish() == digest else {
      throw damaged("its list of products is not what was written", file.path)
    }
    let json: MetadataValue
    do {
      json = try text.withUnsafeBytes { try JSONParser.parse($0, location: file.path) }
    } catch {
      throw damaged("its list of products is no JSON", file.path)
    }
    if let version = json["version"]?.integerValue, version != CalibrationHeader.version {
      throw SanaError(
        .unsupported,
        "is of version \(version), and this program reads version \(CalibrationHeader.version)",
        remedy: "gather the statistics again with this program", location: file.path)
    }
    guard let header = CalibrationHeader(json) else {
      throw damaged("its list of products lacks something", file.path)
    }
    return header
  }

  private static func check(_ input: CalibrationHeader.Input, in file: TraceFile) throws {
    let group = "products/\(input.place)"
    do {
      let rows = try file.shape("\(group)/rows")
      let vectors = try ["maxima", "mean_squares"].map { try file.shape("\(group)/\($0)") }
      guard rows.count == 2, rows[0] >= input.rows, rows[1] == input.columns,
        vectors.allSatisfy({ $0 == [input.columns] })
      else {
        throw damaged(
          "the input of '\(input.weights[0].abbreviated)' has another shape than is listed",
          file.path)
      }
    } catch let error as SanaError {
      throw reworded(error)
    }
  }

  private static func damaged(_ what: String, _ path: String) -> SanaError {
    SanaError(.corruptFile, "is damaged: \(what)", remedy: again, location: path)
  }

  private static let again = "copy the file again, or gather the statistics again"

  /// What reading an HDF5 file says, in words for a file of statistics.
  private static func reworded(_ error: SanaError) -> SanaError {
    let isDamage = [.corruptFile, .tensorMismatch].contains(error.code)
    let isOther = error.code == .malformedFile
    return SanaError(
      isDamage ? .corruptFile : error.code,
      error.message.replacing("the trace", with: "the file"),
      remedy: isOther
        ? "name a file that 'sana-quant calibrate' wrote"
        : error.remedy.contains("trace") ? again : error.remedy,
      location: error.location, cause: error.cause)
  }
}

extension CalibrationFile {
  /// Whether the statistics are of a model with these weights.
  /// - Returns: a note where they are of a model of the same networks with other numbers; nil where
  ///   they are of this model.
  /// - Throws: `.tensorMismatch` where names or shapes are others.
  public func check(fits model: ModelFile) throws -> String? {
    for input in header.inputs {
      guard let component = model.component(input.component) else { continue }
      for weight in input.weights {
        let name = "\(component.name)/\(weight)"
        guard let entry = component.tensors.first(where: { $0.name == weight }) else {
          throw mismatch("the model has no '\(name.abbreviated)'")
        }
        let channels = entry.description.shape.last ?? 0
        // The channels of grouped products are those of one group.
        guard channels > 0, input.columns.isMultiple(of: channels),
          input.rows == 0 || input.columns == channels
        else {
          throw mismatch(
            "they have \(input.columns) channels for '\(name.abbreviated)', which has \(channels)")
        }
      }
    }
    guard header.modelDigest != model.contentDigest else { return nil }
    return
      "the statistics of \(path) were gathered with another file than \(model.path); they fit as far as that one was made from the same weights"
  }

  private func mismatch(_ what: String) -> SanaError {
    SanaError(
      .tensorMismatch, "these statistics are of another model: \(what)",
      remedy: "gather statistics of the model that is quantized", location: path)
  }
}
