public import Support

/// Rows of a tensor that the writer wants filled.
public struct TensorBand {
  public let rows: Range<Int>
  /// Codes or plain values of these rows, in the tensor's encoding.
  public let values: UnsafeMutableRawBufferPointer
  /// Scales of these rows; empty where the encoding has none.
  public let scales: UnsafeMutableBufferPointer<Float>
}

/// Writes a `.sana` file: components one after another, each with its tensors in order, the
/// directory last.
///
/// Chunks are compressed on all cores while earlier ones are written; memory is bounded by a few
/// chunks a core and the scales of a tensor. The same calls give the same bytes, whatever the
/// number of cores. The file appears under its name, complete and durable, when `finish` returns; a
/// writer that is dropped before leaves nothing behind.
///
/// The methods are to be called from one thread.
public final class ContainerWriter: Sendable {
  public let path: String
  /// What the jobs in flight share; they do not hold the writer, so that dropping it ends them.
  private let output: ContainerOutput
  private let encoder: ChunkEncoder
  private let pipeline: OrderedPipeline

  /// - Parameters:
  ///   - path: what stands there is replaced by `finish`.
  ///   - compression: which chunks are compressed.
  ///   - times: receives the time of the stages, from `compress` on.
  ///   - depth: how many chunks may be in flight; by default two a core.
  /// - Throws: `.fileAccess` when the place cannot be written to.
  public init(
    path: String, compression: ContainerCompression = .fast, times: StageTimes = StageTimes(),
    depth: Int? = nil
  ) throws {
    self.path = path
    encoder = ChunkEncoder(compression: compression, times: times)
    output = try ContainerOutput(path: path, encoder: encoder)
    pipeline = OrderedPipeline(depth: depth ?? 2 * Parallel.coreCount)
  }

  deinit {
    pipeline.cancel()
    // The last job may hold the output a moment longer, so its own end would come too late for a
    // process that exits.
    output.discard()
  }

  /// Begins a network; the tensors that follow are its own.
  /// - Parameter metadata: an object that holds the configuration.
  /// - Throws: `.invalidArgument` when the file already has this component.
  public func beginComponent(_ kind: ComponentKind, metadata: MetadataValue) throws {
    try output.beginComponent(kind, metadata: metadata)
  }

  /// Writes a tensor that is in memory.
  public func append(_ tensor: StoredTensor, metadata: MetadataValue = .object([])) throws {
    let rowByteCount = tensor.description.valueByteCount / max(tensor.description.rows, 1)
    let scalesPerRow = tensor.description.scaleCount / max(tensor.description.rows, 1)
    try append(tensor.description, metadata: { metadata }) { band in
      band.values.copyMemory(
        from: UnsafeRawBufferPointer(
          rebasing: tensor.values.bytes[
            band.rows.lowerBound * rowByteCount..<band.rows.upperBound * rowByteCount]))
      if let scales = tensor.scales, scalesPerRow > 0 {
        let begin = band.rows.lowerBound * scalesPerRow * 4
        UnsafeMutableRawBufferPointer(band.scales).copyMemory(
          from: UnsafeRawBufferPointer(
            rebasing: scales.bytes[begin..<begin + band.scales.count * 4]))
      }
    }
  }

  /// Writes a tensor that is made band by band.
  /// - Parameters:
  ///   - description: unique name within the component, within `ContainerLimits`.
  ///   - metadata: an object, asked for when every band has been produced; on any thread.
  ///   - produce: fills one band completely; called for disjoint bands from several threads at a
  ///     time. What it throws ends the writing: it comes out of a later `append` or of `finish`.
  /// - Throws: `.invalidArgument` for a description that the format cannot hold; the first failure
  ///   of earlier work.
  public func append(
    _ description: TensorDescription,
    metadata: @escaping @Sendable () throws -> MetadataValue = { .object([]) },
    producing produce: @escaping @Sendable (TensorBand) throws -> Void
  ) throws {
    let component = try output.admit(description)
    let assembly = TensorAssembly(description, metadata: metadata)
    for rows in assembly.bands {
      try pipeline.submit { [output, encoder] in
        let values = try TensorBytes(byteCount: rows.count * assembly.rowByteCount) { memory in
          try produce(TensorBand(rows: rows, values: memory, scales: assembly.scales(of: rows)))
        }
        let chunks = encoder.encode(
          values, elementByteCount: description.encoding.filteredElementByteCount)
        return {
          try output.write(chunks, to: &assembly.values, byteCount: description.valueByteCount)
          if rows.upperBound == description.rows { try output.complete(assembly, in: component) }
        }
      }
    }
  }

  /// Writes the directory and gives the file its name.
  /// - Parameter metadata: an object that describes the file as a whole.
  public func finish(metadata: MetadataValue) throws { try finish { metadata } }

  /// As above.
  /// - Parameter metadata: asked for when every band has been produced. What it throws ends the
  ///   writing.
  public func finish(_ metadata: () throws -> MetadataValue) throws {
    try pipeline.finish()
    try output.finish(metadata: metadata())
  }
}
