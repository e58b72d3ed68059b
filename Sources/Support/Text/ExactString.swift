/// A string that equals another only if their bytes are the same; Swift's own equality takes `é`
/// and `e` with an accent for one.
package struct ExactString: Hashable, Sendable {
  package let string: String

  package init(_ string: String) { self.string = string }

  package static func == (first: ExactString, second: ExactString) -> Bool {
    first.string.utf8.elementsEqual(second.string.utf8)
  }

  package func hash(into hasher: inout Hasher) {
    for byte in string.utf8 { hasher.combine(byte) }
  }
}
