internal import CHDF5
internal import Glibc
internal import Support

/// Writes an HDF5 file: groups, datasets of f32, i32 and u8, and string attributes.
///
/// The file appears under its name only when `finish` succeeds.
public final class TraceWriter {
  public var path: String { replacement.path }
  private let replacement: ReplacementFile
  private var file: HDF5Handle?

  /// - Throws: `.fileAccess` when the file cannot be created.
  public init(path: String) throws {
    replacement = try ReplacementFile(path: path)
    let place = replacement.temporaryPath
    file = HDF5Library.perform { HDF5Handle(sana_hdf5_create(place), close: H5Fclose) }
    guard file != nil else {
      throw SanaError(
        .fileAccess, "the file cannot be created",
        remedy: "check that the directory exists and may be written", location: path)
    }
  }

  deinit {
    guard file != nil else { return }
    HDF5Library.perform { file = nil }
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

  /// Makes a dataset `[count, columns]` of f32 whose rows are written later.
  public func createRows(_ path: String, count: Int, columns: Int) throws {
    try HDF5Library.perform {
      _ = try create(path, shape: [count, columns], type: sana_hdf5_native_float)
    }
  }

  /// Writes consecutive rows of a dataset that `createRows` made.
  /// - Parameters:
  ///   - rows: of the dataset.
  ///   - values: their numbers, row after row.
  public func write(rows: Range<Int>, _ values: UnsafeBufferPointer<Float>, to path: String) throws
  {
    guard !rows.isEmpty else { return }
    try HDF5Library.perform {
      let file = try openFile()
      var start = [hsize_t(rows.lowerBound), 0]
      var extents = [hsize_t(rows.count), hsize_t(values.count / rows.count)]
      guard let dataset = HDF5Handle(H5Dopen2(file.identifier, path, 0), close: H5Dclose),
        let space = HDF5Handle(H5Dget_space(dataset.identifier), close: H5Sclose),
        let memory = HDF5Handle(H5Screate_simple(2, &extents, nil), close: H5Sclose),
        H5Sselect_hyperslab(space.identifier, H5S_SELECT_SET, &start, nil, &extents, nil) >= 0,
        H5Dwrite(
          dataset.identifier, sana_hdf5_native_float(), memory.identifier, space.identifier, 0,
          values.baseAddress) >= 0
      else { throw failure(path) }
    }
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
    try replacement.commit()
  }

  private func write<Element>(
    _ array: TraceArray<Element>, to path: String, type: () -> hid_t
  ) throws {
    try HDF5Library.perform {
      let dataset = try create(path, shape: array.shape, type: type)
      let status = array.values.withUnsafeBytes {
        H5Dwrite(dataset.identifier, type(), sana_hdf5_all(), sana_hdf5_all(), 0, $0.baseAddress)
      }
      guard array.values.isEmpty || status >= 0 else { throw failure(path) }
    }
  }

  /// Only within `HDF5Library.perform`.
  private func create(
    _ path: String, shape: [Int], type: () -> hid_t
  ) throws -> HDF5Handle {
    let file = try openFile()
    let extents = shape.map(hsize_t.init)
    let space =
      extents.isEmpty
      ? H5Screate(H5S_SCALAR) : H5Screate_simple(Int32(extents.count), extents, nil)
    guard let space = HDF5Handle(space, close: H5Sclose),
      let links = HDF5Handle(sana_hdf5_intermediate_groups(), close: H5Pclose),
      let creation = HDF5Handle(sana_hdf5_timeless_dataset(), close: H5Pclose),
      let dataset = HDF5Handle(
        H5Dcreate2(
          file.identifier, path, type(), space.identifier, links.identifier, creation.identifier, 0),
        close: H5Dclose)
    else { throw failure(path) }
    return dataset
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
    // What the library says of the system's reason is gone with the next of its calls.
    let code = errno
    if [ENOSPC, EDQUOT, EFBIG, EROFS, EIO].contains(code) {
      return .fileAccess(self.path, cannotBe: "written", errno: code)
    }
    return SanaError(
      .fileAccess,
      "'\(path.abbreviated)' cannot be written" + (HDF5Library.lastFailure.map { ": \($0)" } ?? ""),
      remedy: "check the free space, and that each name is used once", location: self.path)
  }
}
