internal import Support

/// The directory of a `.sana` file: what it holds and where (`formats.md`, "Directory").
struct ContainerDirectory: Equatable {
  var metadata: MetadataValue
  var components: [ComponentEntry]

  /// What a reader must understand to read these tensors.
  var features: ContainerFeatures {
    var features: ContainerFeatures = []
    for component in components {
      if component.tensors.contains(where: \.description.activations.needsTransformations) {
        features.insert(.transformedActivations)
      }
      for plane in component.tensors.flatMap(\.planes) {
        for chunk in plane.chunks {
          if chunk.codec == .lz4 { features.insert(.lz4) }
          if chunk.filter != .none { features.insert(.bitshuffle) }
        }
      }
    }
    return features
  }

  /// Every plane in the order of the file.
  var planes: [PlaneEntry] { components.flatMap { $0.tensors.flatMap(\.planes) } }

  /// The bytes between header, planes and directory: zeros, each run shorter than the alignment of
  /// what follows it.
  func gaps(before directoryOffset: Int) -> [Range<Int>] {
    var end = ContainerHeader.byteCount
    var gaps: [Range<Int>] = []
    for plane in planes {
      gaps.append(end..<plane.offset)
      end = plane.end
    }
    return gaps + [end..<directoryOffset]
  }
}

extension ContainerDirectory {
  var encoded: [UInt8] {
    var writer = ByteWriter()
    writer.append(metadata)
    writer.append(UInt32(components.count))
    for component in components {
      writer.append(component.name)
      writer.append(component.metadata)
      writer.append(UInt32(component.tensors.count))
      for tensor in component.tensors { writer.append(tensor) }
    }
    return writer.bytes
  }
}

extension ByteWriter {
  fileprivate mutating func append(_ tensor: TensorEntry) {
    let description = tensor.description
    append(description.name)
    append(UInt8(description.shape.count))
    for extent in description.shape { append(UInt64(extent)) }
    append(description.encoding.code)
    append(description.activations.code)
    append(description.encoding.parameter)
    append(tensor.metadata)
    for plane in tensor.planes { append(plane) }
  }

  private mutating func append(_ plane: PlaneEntry) {
    append(UInt64(plane.offset))
    append(UInt32(plane.chunks.count))
    for chunk in plane.chunks {
      append(UInt32(chunk.rawByteCount))
      append(UInt32(chunk.storedByteCount))
      append(chunk.filter.code)
      append(chunk.filter.elementByteCount)
      append(chunk.codec.rawValue)
      append(UInt8(0))
      append(chunk.checksum)
    }
  }
}

extension ChunkFilter {
  fileprivate var code: UInt8 {
    switch self {
    case .none: 0
    case .bitshuffle: 1
    }
  }

  fileprivate var elementByteCount: UInt8 {
    switch self {
    case .none: 0
    case .bitshuffle(let count): UInt8(count)
    }
  }
}
