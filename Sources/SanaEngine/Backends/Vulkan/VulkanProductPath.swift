/// What a kind of product is computed by on a device, and why.
package struct VulkanProductPath: Hashable, Sendable {
  /// The numbers that a product multiplies.
  package enum Kind: String, Sendable, CaseIterable {
    case f32
    /// f16 by f16 into f32
    case f16
    /// int8 by int8 into int32
    case int8

    /// Those that there are kernels of.
    package static let available: [Kind] = [.f32]
  }

  package enum Means: Hashable, Sendable {
    /// Instructions that multiply small matrices, `m x n x k`.
    case cooperativeMatrices(m: Int, n: Int, k: Int)
    /// Instructions that multiply four pairs of int8 and add.
    case dotProduct
    /// Multiplications and additions.
    case plain
  }

  /// A family of kernels.
  package enum Family: Hashable, Sendable {
    case cooperativeMatrices, dotProduct, plain
  }

  package let kind: Kind
  package let means: Means
  /// Why nothing faster was chosen, for people; empty where nothing is faster.
  package let reasons: [String]

  /// The families that there are kernels of.
  package static let available: Set<Family> = [.plain]

  /// The fastest means that the device has, kernels exist for, and no quirk forbids.
  package init(
    _ kind: Kind, on device: VulkanCapabilities, kernels: Set<Family> = Self.available
  ) {
    self.kind = kind
    var reasons: [String] = []
    guard kind != .f32 else {
      means = .plain
      self.reasons = []
      return
    }
    func admits(_ family: Family, _ name: String) -> Bool {
      if kernels.contains(family) { return true }
      reasons.append("this program has no kernels for \(name)")
      return false
    }
    let shape = Self.shape(for: kind, device.shapes)
    let quirk = VulkanQuirk.all(of: device).first { $0.effects.contains(.noCooperativeMatrices) }
    if let quirk, device.hasCooperativeMatrices {
      reasons.append("\(quirk.reason) (\(quirk.name))")
    } else if let shape {
      if admits(.cooperativeMatrices, "matrix instructions") {
        means = .cooperativeMatrices(m: shape.m, n: shape.n, k: shape.k)
        self.reasons = reasons
        return
      }
    } else {
      reasons.append("the device has no matrix instructions for it")
    }
    if kind == .int8 {
      if !device.hasDotProduct {
        reasons.append("the device has no packed dot product")
      } else if admits(.dotProduct, "packed dot products") {
        means = .dotProduct
        self.reasons = reasons
        return
      }
    }
    means = .plain
    self.reasons = reasons
  }

  /// The largest shape that sums exactly the numbers that are meant: drivers list others beside.
  private static func shape(
    for kind: Kind, _ shapes: [VulkanCapabilities.Shape]
  ) -> VulkanCapabilities.Shape? {
    let (factor, sum): (VulkanCapabilities.Component, VulkanCapabilities.Component) =
      kind == .int8 ? (.s8, .s32) : (.f16, .f32)
    return shapes.filter {
      $0.a == factor && $0.b == factor && $0.c == sum && $0.result == sum && !$0.isSaturating
    }.max { $0.m * $0.n * $0.k < $1.m * $1.n * $1.k }
  }
}

extension VulkanProductPath.Means: CustomStringConvertible {
  package var description: String {
    switch self {
    case .cooperativeMatrices(let m, let n, let k): "matrix instructions \(m)x\(n)x\(k)"
    case .dotProduct: "packed dot products"
    case .plain: "plain arithmetic"
    }
  }
}
