internal import CHDF5
internal import Support

extension TraceFile {
  /// Longest string that an attribute may hold, in bytes.
  private static let maximumStringByteCount = 16 << 20

  /// Whether a group or dataset has this attribute.
  public func hasAttribute(_ name: String, of path: String = "") throws -> Bool {
    try HDF5Library.perform {
      let object = try openObject(path)
      return H5Aexists(object.identifier, name) > 0
    }
  }

  /// A string attribute, of fixed or variable length.
  public func string(_ name: String, of path: String = "") throws -> String {
    try HDF5Library.perform {
      let (attribute, type) = try openAttribute(name, of: path)
      guard H5Tget_class(type.identifier) == H5T_STRING else {
        throw mismatch(label(name, path), "is no string")
      }
      return H5Tis_variable_str(type.identifier) > 0
        ? try variableString(attribute, label(name, path))
        : try fixedString(attribute, size: H5Tget_size(type.identifier), label(name, path))
    }
  }

  /// A numeric or boolean attribute.
  public func number(_ name: String, of path: String = "") throws -> Double {
    try HDF5Library.perform {
      let (attribute, type) = try openAttribute(name, of: path)
      var number = 0.0
      switch H5Tget_class(type.identifier) {
      case H5T_FLOAT:
        guard H5Aread(attribute.identifier, sana_hdf5_native_double(), &number) >= 0 else {
          throw failure(label(name, path))
        }
      // Python's booleans are stored as an enumeration of 0 and 1.
      case H5T_INTEGER, H5T_ENUM:
        var integer: Int64 = 0
        guard H5Aread(attribute.identifier, sana_hdf5_native_int64(), &integer) >= 0 else {
          throw failure(label(name, path))
        }
        number = Double(integer)
      default:
        throw mismatch(label(name, path), "is no number")
      }
      return number
    }
  }

  private func openAttribute(
    _ name: String, of path: String
  ) throws -> (attribute: HDF5Handle, type: HDF5Handle) {
    let object = try openObject(path)
    guard let attribute = HDF5Handle(H5Aopen(object.identifier, name, 0), close: H5Aclose) else {
      throw mismatch(path, "has no attribute '\(name.abbreviated)'")
    }
    guard let type = HDF5Handle(H5Aget_type(attribute.identifier), close: H5Tclose),
      let space = HDF5Handle(H5Aget_space(attribute.identifier), close: H5Sclose)
    else { throw failure(label(name, path)) }
    // What is read below has room for one value.
    guard H5Sget_simple_extent_npoints(space.identifier) == 1 else {
      throw mismatch(label(name, path), "is no single value")
    }
    return (attribute, type)
  }

  private func variableString(_ attribute: HDF5Handle, _ label: String) throws -> String {
    guard let type = HDF5Handle(sana_hdf5_variable_string_type(), close: H5Tclose) else {
      throw failure(label)
    }
    var characters: UnsafeMutablePointer<CChar>?
    guard H5Aread(attribute.identifier, type.identifier, &characters) >= 0 else {
      throw failure(label)
    }
    guard let characters else { return "" }
    defer { H5free_memory(characters) }
    return String(cString: characters)
  }

  private func fixedString(_ attribute: HDF5Handle, size: Int, _ label: String) throws -> String {
    guard size > 0, size <= Self.maximumStringByteCount,
      let type = HDF5Handle(sana_hdf5_string_type(size), close: H5Tclose)
    else { throw mismatch(label, "is no string of a sensible length") }
    var bytes = [UInt8](repeating: 0, count: size)
    guard H5Aread(attribute.identifier, type.identifier, &bytes) >= 0 else {
      throw failure(label)
    }
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }

  private func label(_ name: String, _ path: String) -> String { "\(path)@\(name)" }
}
