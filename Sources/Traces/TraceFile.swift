internal import CHDF5
internal import Glibc
internal import Support

/// An HDF5 file of recorded activations, open for reading.
///
/// Paths are those of HDF5, slashes between the names: `case_a/text/prompt_embeds`. Every failure is a `SanaError` that names
/// the file and the dataset.
public final class TraceFile: @unchecked Sendable {
  // Sendable: the only state is the library's, and every use of the library takes its lock.

  public enum EntryKind: Hashable, Sendable {
    case group
    case dataset
    /// A link that leads nowhere or out of the file, or a named type.
    case other
  }

  public struct Entry: Hashable, Sendable {
    public let name: String
    public let kind: EntryKind
  }

  public let path: String
  /// No dataset may take more bytes than this in memory, whatever the file claims.
  public let maximumByteCount: Int
  private var file: HDF5Handle?

  /// - Parameter maximumByteCount: the largest dataset that will be read; unwritten parts of a dataset take no room in the
  ///   file, so the file's own size bounds nothing.
  /// - Throws: `.fileAccess` when the file cannot be read, `.malformedFile` when it is no HDF5
  ///   file, `.corruptFile` when it is damaged, `.unsupported` when it is of a version that the
  ///   library does not know.
  public init(path: String, maximumByteCount: Int = 2 << 30) throws {
    self.path = path
    self.maximumByteCount = maximumByteCount
    guard access(path, R_OK) == 0 else {
      throw SanaError(
        .fileAccess, "the trace cannot be read: \(String(cString: strerror(errno)))",
        remedy: "check the path and its permissions", location: path)
    }
    file = HDF5Library.perform { HDF5Handle(sana_hdf5_open(path), close: H5Fclose) }
    guard file != nil else {
      throw (try? FileKind(path: path))?.refusal(for: .trace, path: path)
        ?? HDF5Superblock.failure(of: path)
    }
  }

  deinit { HDF5Library.perform { file = nil } }

  // MARK: Structure

  /// Whether a group or dataset with this path exists.
  public func contains(_ path: String) -> Bool {
    HDF5Library.perform {
      guard let file else { return false }
      // Each step is asked for by itself: HDF5 treats a missing parent as an error.
      var prefix = ""
      for part in path.split(separator: "/") {
        prefix += prefix.isEmpty ? String(part) : "/\(part)"
        guard H5Lexists(file.identifier, prefix, 0) > 0 else { return false }
      }
      return true
    }
  }

  /// What a group holds, ordered by name; the root is the empty path.
  public func entries(of path: String = "") throws -> [Entry] {
    try HDF5Library.perform {
      let group = try openObject(path)
      guard H5Iget_type(group.identifier) == H5I_GROUP else {
        throw mismatch(path, "is no group")
      }
      var information = H5G_info_t()
      guard H5Gget_info(group.identifier, &information) >= 0 else { throw failure(path) }
      return try (0..<information.nlinks).map { try entry(at: $0, of: group, path) }
    }
  }

  private func entry(at index: hsize_t, of group: HDF5Handle, _ path: String) throws -> Entry {
    let length = H5Lget_name_by_idx(
      group.identifier, ".", H5_INDEX_NAME, H5_ITER_INC, index, nil, 0, 0)
    guard length >= 0 else { throw failure(path) }
    let name = withUnsafeTemporaryAllocation(of: CChar.self, capacity: length + 1) { buffer in
      buffer.initialize(repeating: 0)
      _ = H5Lget_name_by_idx(
        group.identifier, ".", H5_INDEX_NAME, H5_ITER_INC, index, buffer.baseAddress,
        length + 1, 0)
      return String(decoding: buffer.prefix(length).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
    var link = H5L_info_t()
    guard H5Lget_info(group.identifier, name, &link, 0) >= 0 else { throw failure(path) }
    guard link.type == H5L_TYPE_HARD,
      let object = HDF5Handle(H5Oopen(group.identifier, name, 0), close: H5Oclose)
    else { return Entry(name: name, kind: .other) }
    return switch H5Iget_type(object.identifier) {
    case H5I_GROUP: Entry(name: name, kind: .group)
    case H5I_DATASET: Entry(name: name, kind: .dataset)
    default: Entry(name: name, kind: .other)
    }
  }

  /// A dataset's shape, without reading it.
  public func shape(_ path: String) throws -> [Int] {
    try HDF5Library.perform { try shape(of: openDataset(path), path) }
  }

  // MARK: Datasets

  /// Reads a dataset of floating-point numbers of any width.
  public func floats(_ path: String) throws -> TraceArray<Float> {
    try read(path, as: sana_hdf5_native_float, initial: Float.zero) { type in
      H5Tget_class(type) == H5T_FLOAT
    }
  }

  /// Reads a dataset of integers that all fit into 32 bits with a sign.
  public func int32(_ path: String) throws -> TraceArray<Int32> {
    try read(path, as: sana_hdf5_native_int32, initial: Int32.zero) { type in
      integerFits(type, bytes: 4)
    }
  }

  /// Reads a dataset of integers that all fit into 64 bits with a sign.
  public func int64(_ path: String) throws -> TraceArray<Int64> {
    try read(path, as: sana_hdf5_native_int64, initial: Int64.zero) { type in
      integerFits(type, bytes: 8)
    }
  }

  /// Reads a dataset of unsigned bytes.
  public func uint8(_ path: String) throws -> TraceArray<UInt8> {
    try read(path, as: sana_hdf5_native_uint8, initial: UInt8.zero) { type in
      H5Tget_class(type) == H5T_INTEGER && H5Tget_size(type) == 1
        && H5Tget_sign(type) == H5T_SGN_NONE
    }
  }

  private func read<Element: Sendable>(
    _ path: String, as memoryType: () -> hid_t, initial: Element, accepts: (hid_t) -> Bool
  ) throws -> TraceArray<Element> {
    try HDF5Library.perform {
      let dataset = try openDataset(path)
      guard let type = HDF5Handle(H5Dget_type(dataset.identifier), close: H5Tclose) else {
        throw failure(path)
      }
      guard accepts(type.identifier) else {
        throw mismatch(path, "does not hold numbers that fit \(Element.self)")
      }
      let shape = try shape(of: dataset, path)
      let count = try elementCount(shape, bytes: MemoryLayout<Element>.stride, path)
      var values = [Element](repeating: initial, count: count)
      guard count > 0 else { return TraceArray(shape: shape, values: values) }
      let status = values.withUnsafeMutableBytes {
        H5Dread(
          dataset.identifier, memoryType(), sana_hdf5_all(), sana_hdf5_all(), 0, $0.baseAddress)
      }
      guard status >= 0 else {
        throw HDF5Library.missingFilter(of: dataset).map { lacking($0, path) } ?? failure(path)
      }
      return TraceArray(shape: shape, values: values)
    }
  }

  private func integerFits(_ type: hid_t, bytes: Int) -> Bool {
    guard H5Tget_class(type) == H5T_INTEGER else { return false }
    let size = H5Tget_size(type)
    return size < bytes || (size == bytes && H5Tget_sign(type) == H5T_SGN_2)
  }

  private func shape(of dataset: HDF5Handle, _ path: String) throws -> [Int] {
    guard let space = HDF5Handle(H5Dget_space(dataset.identifier), close: H5Sclose) else {
      throw failure(path)
    }
    let rank = H5Sget_simple_extent_ndims(space.identifier)
    guard rank >= 0 else { throw failure(path) }
    var extents = [hsize_t](repeating: 0, count: Int(rank))
    guard H5Sget_simple_extent_dims(space.identifier, &extents, nil) >= 0 else {
      throw failure(path)
    }
    return try extents.map {
      guard let extent = Int(exactly: $0) else { throw tooLarge(path) }
      return extent
    }
  }

  private func elementCount(_ shape: [Int], bytes: Int, _ path: String) throws -> Int {
    var total = bytes
    for extent in shape {
      let (product, overflow) = total.multipliedReportingOverflow(by: extent)
      guard !overflow else { throw tooLarge(path) }
      total = product
    }
    guard total <= maximumByteCount else { throw tooLarge(path) }
    return total / bytes
  }

  // MARK: Objects and errors; only within `HDF5Library.perform`

  func openObject(_ path: String) throws -> HDF5Handle {
    guard let file else { throw failure(path) }
    let name = path.isEmpty ? "/" : path
    guard let object = HDF5Handle(H5Oopen(file.identifier, name, 0), close: H5Oclose) else {
      // What is there and cannot be opened is no missing name.
      if HDF5Library.failedAtVersion { throw failure(path) }
      throw SanaError(
        .tensorMismatch, "the trace has no '\(path.abbreviated)'",
        remedy: "record the trace again, or choose another case", location: self.path)
    }
    return object
  }

  private func openDataset(_ path: String) throws -> HDF5Handle {
    let object = try openObject(path)
    guard H5Iget_type(object.identifier) == H5I_DATASET else {
      throw mismatch(path, "is no dataset")
    }
    return object
  }

  func mismatch(_ path: String, _ what: String) -> SanaError {
    SanaError(
      .tensorMismatch, "'\(path.abbreviated)' \(what)", remedy: "check what wrote the trace",
      location: self.path)
  }

  private func tooLarge(_ path: String) -> SanaError {
    SanaError(
      .malformedFile,
      "dataset '\(path.abbreviated)' claims to be larger than \(maximumByteCount) bytes",
      remedy: "check what wrote the trace", location: self.path)
  }

  private func lacking(_ filter: (number: Int32, name: String), _ path: String) -> SanaError {
    let name = filter.name.isEmpty ? "" : " '\(filter.name)'"
    return SanaError(
      .unsupported,
      "'\(path)' is compressed by the HDF5 filter\(name) (number \(filter.number)), which this computer's HDF5 library does not have",
      remedy:
        "record the trace again with gzip or without compression, or name the filter's folder in HDF5_PLUGIN_PATH",
      location: self.path)
  }

  func failure(_ path: String) -> SanaError {
    guard !HDF5Library.failedAtVersion else {
      return SanaError(
        .unsupported,
        "'\(path)' is stored in a version that this computer's HDF5 library does not know"
          + (HDF5Library.lastFailure.map { ": \($0)" } ?? ""),
        remedy: "record the trace again with an older format (h5py: libver='earliest')",
        location: self.path)
    }
    return SanaError(
      .corruptFile,
      "'\(path.abbreviated)' cannot be read" + (HDF5Library.lastFailure.map { ": \($0)" } ?? ""),
      remedy: "copy or record the trace again", location: self.path)
  }
}
