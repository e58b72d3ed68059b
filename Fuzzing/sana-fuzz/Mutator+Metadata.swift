internal import Support

extension Mutator {
  /// One change somewhere in a tree of values.
  mutating func mutate(_ value: MetadataValue) -> MetadataValue {
    switch value {
    case .array(var values) where !values.isEmpty && chance(3, of: 4):
      let index = below(values.count)
      switch below(5) {
      case 0: values.insert(values[index], at: below(values.count + 1))
      case 1: values.remove(at: index)
      default: values[index] = mutate(values[index])
      }
      return .array(values)
    case .object(var members) where !members.isEmpty && chance(3, of: 4):
      let index = below(members.count)
      switch below(7) {
      case 0: members.insert(members[index], at: below(members.count + 1))
      case 1: members.remove(at: index)
      case 2: members[index] = .init(pick(members).name, members[index].value)
      case 3: members[index] = .init(text(members[index].name), members[index].value)
      default: members[index] = .init(members[index].name, mutate(members[index].value))
      }
      return .object(members)
    case .integer(let integer) where chance(3, of: 4): return .integer(number(near: integer))
    case .string(let string) where chance(3, of: 4): return .string(text(string))
    default: return leaf()
    }
  }

  private mutating func text(_ string: String) -> String {
    if chance(1, of: 4) {
      return pick(["F32", "BF16", "F16", "I64", "BOOL", "", "\u{0}", "é😀", "__metadata__", "../x"])
    }
    return String(decoding: mutate(Array(string.utf8)), as: UTF8.self)
  }

  private mutating func leaf() -> MetadataValue {
    switch below(8) {
    case 0: .null
    case 1: .bool(chance(1, of: 2))
    case 2: .number(pick([0.5, -0.0, 1e308, .infinity, -1.5, 4e18]))
    case 3: .string(text(""))
    case 4: .array([leaf(), leaf()])
    case 5: .object([.init(text("a"), leaf())])
    default: .integer(number())
    }
  }
}
