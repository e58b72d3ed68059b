package import CKernels
package import SanaGraph
internal import Support

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// An instruction set the CPU kernels are compiled for.
package enum InstructionSet: String, CaseIterable, Sendable {
  case portable
  case avx2
  case avx512
  case avx512vnni
  case avx512bf16
  case neon
  case neondotprod
  case neoni8mm

  /// The environment variable that makes the toolchain use a weaker instruction set than the best.
  package static let environmentVariable = "SANA_ISA"

  private var identifier: sana_isa {
    switch self {
    case .portable: SANA_ISA_PORTABLE
    case .avx2: SANA_ISA_AVX2
    case .avx512: SANA_ISA_AVX512
    case .avx512vnni: SANA_ISA_AVX512_VNNI
    case .avx512bf16: SANA_ISA_AVX512_BF16
    case .neon: SANA_ISA_NEON
    case .neondotprod: SANA_ISA_NEON_DOTPROD
    case .neoni8mm: SANA_ISA_NEON_I8MM
    }
  }

  package var isSupported: Bool { sana_cpu_supports(identifier) }

  /// Those that this processor can run.
  package static var supported: [InstructionSet] { allCases.filter(\.isSupported) }

  /// The kernels compiled for this set, which must be supported.
  package var kernels: sana_kernels { sana_kernels_for(identifier).pointee }

  /// How this set computes 3x3 convolutions of int8 activations with up to 4096 channels; those with more are computed by F(2x2, 3x3) on every
  /// set.
  package var winogradTile: WinogradTile {
    let side = kernels.convolution(SANA_CONVOLUTION_WINOGRAD, 1).pointee.side
    guard let tile = WinogradTile(rawValue: side) else {
      preconditionFailure("no reference of tiles of \(side)x\(side)")
    }
    return tile
  }

  /// The best set of this processor, or the one that `SANA_ISA` asks for.
  /// - Throws: `SanaError` `.invalidArgument` when the variable names no set that this processor can run.
  package static func chosen() throws -> InstructionSet {
    if let name = getenv(environmentVariable).map({ String(cString: $0) }), !name.isEmpty {
      guard let set = InstructionSet(rawValue: name), set.isSupported else {
        let names = supported.map(\.rawValue).joined(separator: ", ")
        throw SanaError(
          .invalidArgument,
          "\(environmentVariable) is '\(name.abbreviated)', which this processor or this program does not know",
          remedy: "unset it, or use one of \(names)")
      }
      return set
    }
    let best = sana_cpu_best_isa()
    return allCases.first { $0.identifier == best } ?? .portable
  }
}
