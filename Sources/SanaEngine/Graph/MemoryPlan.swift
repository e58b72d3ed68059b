/// Where every activation of a graph lives: an offset in one arena, found from when each value is first written and last read,
/// before anything is allocated.
public struct MemoryPlan: Sendable {
  /// Offsets start at multiples of this many bytes: a cache line, the widest vector register.
  public static let alignment = 64

  /// Byte offset of each value, by `Value.index`.
  public let offsets: [Int]
  /// Bytes of the whole arena.
  public let arenaBytes: Int
  /// Byte offset and size of the scratch area of each node, by position in `Graph.nodes`.
  public let scratchOffsets: [Int]

  public subscript(value: Value) -> Int { offsets[value.index] }

  /// - Parameter scratchBytes: working memory a back end needs while a node runs.
  public init(_ graph: Graph, scratchBytes: (Node) -> Int = { _ in 0 }) {
    let lifetimes = Lifetimes(graph)
    var blocks: [Block] = []
    // A value that takes over its input's memory shares the input's block.
    var blockOfValue = [Int](repeating: -1, count: graph.values.count)

    for value in graph.inputs {
      blockOfValue[value.index] = blocks.count
      blocks.append(
        Block(bytes: graph[value].byteCount, first: -1, last: graph.nodes.count))
    }
    var blockOfScratch = [Int](repeating: -1, count: graph.nodes.count)
    for (position, node) in graph.nodes.enumerated() {
      let output = node.output
      if let input = node.operation.payload.inPlaceInput,
        graph[input].byteCount == graph[output].byteCount,
        lifetimes.lastUse[input.index] == position, !graph.inputs.contains(input),
        !node.readsTwice(input)
      {
        let block = blockOfValue[input.index]
        blockOfValue[output.index] = block
        blocks[block].last = lifetimes.lastUse[output.index]
      } else {
        blockOfValue[output.index] = blocks.count
        blocks.append(
          Block(
            bytes: graph[output].byteCount, first: position,
            last: lifetimes.lastUse[output.index]))
      }
      let scratch = scratchBytes(node)
      if scratch > 0 {
        blockOfScratch[position] = blocks.count
        blocks.append(Block(bytes: scratch, first: position, last: position))
      }
    }

    arenaBytes = Block.place(&blocks)
    offsets = blockOfValue.map { $0 < 0 ? 0 : blocks[$0].offset }
    scratchOffsets = blockOfScratch.map { $0 < 0 ? 0 : blocks[$0].offset }
  }
}

extension Node {
  fileprivate func readsTwice(_ value: Value) -> Bool {
    operation.payload.inputs.filter { $0 == value }.count > 1
  }
}

/// The node after which each value is no longer needed.
private struct Lifetimes {
  let lastUse: [Int]

  init(_ graph: Graph) {
    var last = [Int](repeating: -1, count: graph.values.count)
    for (position, node) in graph.nodes.enumerated() {
      last[node.output.index] = position
      for input in node.operation.payload.inputs { last[input.index] = position }
    }
    for value in graph.outputs { last[value.index] = graph.nodes.count }
    lastUse = last
  }
}

/// A piece of the arena that is taken from node `first` to node `last`.
private struct Block {
  var bytes: Int
  var first: Int
  var last: Int
  var offset = 0

  /// Gives every block an offset, largest block first, each at the lowest offset where it overlaps no block that lives at the
  /// same time. Returns the arena's size.
  static func place(_ blocks: inout [Block]) -> Int {
    let order = blocks.indices.sorted {
      (blocks[$0].bytes, blocks[$1].first) > (blocks[$1].bytes, blocks[$0].first)
    }
    var placed: [Int] = []
    var arena = 0
    for index in order {
      let block = blocks[index]
      let neighbours = placed.filter {
        blocks[$0].first <= block.last && block.first <= blocks[$0].last
      }.sorted { blocks[$0].offset < blocks[$1].offset }
      var offset = 0
      for neighbour in neighbours {
        if offset + block.bytes <= blocks[neighbour].offset { break }
        offset = max(offset, blocks[neighbour].end)
      }
      blocks[index].offset = offset
      arena = max(arena, blocks[index].end)
      placed.append(index)
    }
    return arena
  }

  private var end: Int {
    (offset + bytes + MemoryPlan.alignment - 1) / MemoryPlan.alignment * MemoryPlan.alignment
  }
}
