package import SanaGraph

/// The dotted path of a PyTorch module inside its component: makes the names of the weights below it.
package struct ModulePath: Sendable {
  private let prefix: String

  /// The component itself.
  package static let root = ModulePath(prefix: "")

  /// A child module: `path["attn1"]`, `path["attn1.to_out.0"]`.
  package subscript(name: String) -> ModulePath { ModulePath(prefix: "\(prefix)\(name).") }
  /// An element of a list of modules.
  package subscript(index: Int) -> ModulePath { self["\(index)"] }

  package func weight(_ shape: Int...) -> Parameter { Parameter("\(prefix)weight", shape) }
  package func bias(_ shape: Int...) -> Parameter { Parameter("\(prefix)bias", shape) }
  /// A tensor that is neither weight nor bias: `scale_shift_table`.
  package func parameter(_ name: String, _ shape: Int...) -> Parameter {
    Parameter("\(prefix)\(name)", shape)
  }
}
