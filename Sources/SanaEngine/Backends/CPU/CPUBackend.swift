internal import CKernels
public import SanaGraph
internal import Support
public import WeightFormats

/// The processor. Weights stay in memory as they are stored and are decoded a block at a time into the caches; those that multiply
/// int8 activations are brought into the order of the processor's instructions once.
///
/// Results do not depend on the number of threads.
public final class CPUBackend: Backend {
  public let name = "cpu"
  public var precision: ComputePrecision { device.precision }
  public var ledger: MemoryLedger { device.ledger }
  let device: CPUDevice

  /// - Parameter threads: how many threads compute and load; one for each of `AvailableProcessors`
  ///   when nil. More than those take turns.
  /// - Throws: `SanaError` `.invalidArgument` when `SANA_ISA` names no instruction set of this
  ///   processor, `.memoryLimit` when there is no memory for the threads.
  public convenience init(threads: Int? = nil, precision: ComputePrecision = .auto) throws {
    try self.init(threads: threads, precision: precision, instructionSet: .chosen())
  }

  /// - Parameters:
  ///   - instructionSet: one that the processor supports.
  ///   - bandPositions: about how many positions of an image are computed at a time where nodes are
  ///     computed in bands of image rows; all when nil. Results do not depend on it.
  package init(
    threads: Int? = nil, precision: ComputePrecision = .auto, instructionSet: InstructionSet,
    bandPositions: Int? = nil
  ) throws {
    device = CPUDevice(
      pool: try ThreadPool(threads: threads ?? AvailableProcessors.current.count),
      kernels: instructionSet.kernels, precision: precision, bandPositions: bandPositions)
  }

  public func load(_ source: any WeightSource, ledger: MemoryLedger) -> any ResidentModel {
    CPUModel(source: source, device: device, ledger: ledger)
  }
}

/// What models and executables of a back end share.
final class CPUDevice {
  let pool: ThreadPool
  let kernels: sana_kernels
  let precision: ComputePrecision
  /// About how many positions of an image are computed at a time unless a plan says so; all when
  /// nil.
  let bandPositions: Int?
  let ledger = MemoryLedger()

  init(
    pool: ThreadPool, kernels: sana_kernels, precision: ComputePrecision, bandPositions: Int?
  ) {
    self.pool = pool
    self.kernels = kernels
    self.precision = precision
    self.bandPositions = bandPositions
  }

  /// Kernels of bf16 weights, where the processor multiplies pairs of 16 bits.
  var bf16: sana_bf16_kernels? { kernels.bf16?.pointee }

  /// The Mix-FFN with bf16 instructions, where the processor has them.
  var bf16FeedForward: sana_bf16_feed_forward? { bf16?.feed_forward?.pointee }

  /// The kernels of a product of many positions by bf16 in pairs of 16 bits, if it is multiplied so.
  func bf16(for weight: sana_matrix) -> sana_bf16_kernels? {
    weight.encoding == SANA_ENCODING_BF16 ? bf16(depth: weight.columns) : nil
  }

  func bf16(depth: Int) -> sana_bf16_kernels? {
    guard precision == .auto, let bf16, depth >= bf16.least_depth else { return nil }
    return bf16
  }
}
