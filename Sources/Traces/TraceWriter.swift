internal import CHDF5
internal import Glibc
internal import Support

/// Writes an HDF5 file: groups, datasets of f32, i32 and u8, and string attributes.
///
/// The file appears under its name only when `finish` succeeds.
public final class TraceWriter {
  public let path: String
  private var partialPath: String { path + ".partial" }
  private var file: HDF5Handle?

  /// - Throws: `.fileAccess` when the file cannot be created.
  public init(path: String) throws {
    self.path = path
    let partialPath = path + ".partial"
    file = HDF5Library.perform { HDF5Handle(sana_hdf5_create(partialPath), close: H5Fclose) }
    guard file != nil else {
      throw SanaError(
        .fileAccess, "the file cannot be created",
        remedy: "check that the directory exists and may be written", location: path)
    }
  }

  deinit {
    guard file != nil else { return }
    HDF5Library.perform { file = nil }
    unlink(partialPath)
  }

  /// Creates a group, and those on the way to it. Datasets create theirs by themselves.
  public func createGroup(_ path: String) throws {
    try HDF5Library.perform {
      let file = try openFile()
      guard let links = HDF5Handle(sana_hdf5_intermediate_groups(), close: H5Pclose),
        HDF5Handle(H5Gcreate2(file.identifier, path, links.identifier, 0, 0), close: H5Gclose)
          != nil
      else { throw failure(path) }
    }
  }

  public func write(_ array: TraceArray<Float>, to path: String) throws {
    try write(array, to: path, type: sana_hdf5_native_float)
  }

  public func write(_ array: TraceArray<Int32>, to path: String) throws {
    try write(array, to: path, type: sana_hdf5_native_int32)
  }

  public func write(_ array: TraceArray<UInt8>, to path: String) throws {
    try write(array, to: path, type: sana_hdf5_native_uint8)
  }

  /// Sets a string attribute of a group or dataset that exists; the empty path is the file itself.
  public func setAttribute(_ name: String, _ value: String, of path: String = "") throws {
    try HDF5Library.perform {
      let file = try openFile()
      let bytes = Array(value.utf8) + [0]
      guard
        let object = HDF5Handle(
          H5Oopen(file.identifier, path.isEmpty ? "/" : path, 0), close: H5Oclose),
        let type = HDF5Handle(sana_hdf5_string_type(bytes.count), close: H5Tclose),
        let space = HDF5Handle(H5Screate(H5S_SCALAR), close: H5Sclose),
        let attribute = HDF5Handle(
          H5Acreate2(object.identifier, name, type.identifier, space.identifier, 0, 0),
          close: H5Aclose),
        H5Awrite(attribute.identifier, type.identifier, bytes) >= 0
      else { throw failure("\(path)@\(name)") }
    }
  }

  /// Closes the file and gives it its name. Nothing can be written afterwards.
  public func finish() throws {
    try HDF5Library.perform {
      let file = try openFile()
      guard H5Fflush(file.identifier, H5F_SCOPE_GLOBAL) >= 0 else { throw failure("") }
      self.file = nil
    }
    guard rename(partialPath, path) == 0 else {
      let reason = String(cString: strerror(errno))
      unlink(partialPath)
      throw SanaError(
        .fileAccess, "the finished file cannot be renamed: \(reason)",
        remedy: "check that the directory may be written", location: path)
    }
  }

  private func write<Element>(
    _ array: TraceArray<Element>, to path: String, type: () -> hid_t
  ) throws {
    try HDF5Library.perform {
      let file = try openFile()
      let extents = array.shape.map(hsize_t.init)
      let space =
        extents.isEmpty
        ? H5Screate(H5S_SCALAR) : H5Screate_simple(Int32(extents.count), extents, nil)
      guard let space = HDF5Handle(space, close: H5Sclose),
        let links = HDF5Handle(sana_hdf5_intermediate_groups(), close: H5Pclose),
        let dataset = HDF5Handle(
          H5Dcreate2(file.identifier, path, type(), space.identifier, links.identifier, 0, 0),
          close: H5Dclose)
      else { throw failure(path) }
      let status = array.values.withUnsafeBytes {
        H5Dwrite(dataset.identifier, type(), sana_hdf5_all(), sana_hdf5_all(), 0, $0.baseAddress)
      }
      guard array.values.isEmpty || status >= 0 else { throw failure(path) }
    }
  }

  private func openFile() throws -> HDF5Handle {
    guard let file else {
      throw SanaError(
        .fileAccess, "the file is finished already", remedy: "write before finishing",
        location: path)
    }
    return file
  }

  private func failure(_ path: String) -> SanaError {
    SanaError(
      .fileAccess,
      "'\(path.abbreviated)' cannot be written" + (HDF5Library.lastFailure.map { ": \($0)" } ?? ""),
      remedy: "check the free space, and that each name is used once", location: self.path)
  }
}
