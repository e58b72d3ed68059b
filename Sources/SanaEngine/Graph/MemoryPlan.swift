/// Where every activation of a graph lives: an offset in an arena, found from when each value is
/// first written and last read, before anything is allocated.
///
/// The arena has two regions. What lasts beyond a segment may be kept apart from what does not, so
/// that several graphs that run segment by segment can share the memory for the latter.
public struct MemoryPlan: Sendable {
  /// Offsets start at multiples of this many bytes: a cache line, the widest vector register.
  public static let alignment = 64

  /// Bytes rounded up to whole units of `alignment`.
  package static func aligned(_ bytes: Int) -> Int {
    (bytes + alignment - 1) / alignment * alignment
  }

  /// What a back end computes at once: a node, or several whose values between them it never stores.
  public struct Step: Sendable {
    /// Positions in `Graph.nodes`. The value of the last one is the step's; those of the others, which no other step reads, get no
    /// memory.
    public let nodes: ClosedRange<Int>
    /// Working memory while the step runs.
    public let scratchBytes: Int
    /// The input whose memory the step's value may take over when nobody needs that input afterwards.
    public let inPlaceInput: Value?
    /// Whether the step's value gets memory; not where its rows are handed over as they are made.
    public let storesValue: Bool

    public init(
      nodes: ClosedRange<Int>, scratchBytes: Int = 0, inPlaceInput: Value? = nil,
      storesValue: Bool = true
    ) {
      self.nodes = nodes
      self.scratchBytes = scratchBytes
      self.inPlaceInput = inPlaceInput
      self.storesValue = storesValue
    }

    /// A single node, which works in place where its operation can.
    public init(node position: Int, of graph: Graph, scratchBytes: Int = 0) {
      let payload = graph.nodes[position].operation.payload
      let readOnce = payload.inPlaceInput.flatMap { input in
        payload.inputs.filter { $0 == input }.count == 1 ? input : nil
      }
      self.init(
        nodes: position...position, scratchBytes: scratchBytes, inPlaceInput: readOnce)
    }
  }

  /// Where something is.
  public struct Place: Hashable, Sendable {
    /// Whether it is in the region that outlasts segments.
    public let isKept: Bool
    /// In the region.
    public let offset: Int
  }

  /// Of each value, by `Value.index`; nil for those that are never stored.
  public let places: [Place?]
  /// Bytes of the region for what outlasts a segment; 0 where all is in one region.
  public let keptBytes: Int
  /// Bytes of the region for everything else.
  public let workBytes: Int
  /// Byte offset of the scratch area of each step, in the second region.
  public let scratchOffsets: [Int]

  /// Bytes of both regions.
  public var arenaBytes: Int { keptBytes + workBytes }

  public subscript(value: Value) -> Place {
    guard let place = places[value.index] else {
      preconditionFailure("value \(value.index) is never stored")
    }
    return place
  }

  /// Every node a step of its own, without working memory.
  package init(_ graph: Graph) {
    self.init(graph, steps: graph.nodes.indices.map { Step(node: $0, of: graph) })
  }

  /// - Parameters:
  ///   - steps: every node of the graph in one of them, in order.
  ///   - segments: steps, in order; those that share memory with other graphs where there are any.
  package init(_ graph: Graph, steps: [Step], keepingBetween segments: [Range<Int>] = []) {
    precondition(steps.flatMap { Array($0.nodes) } == Array(graph.nodes.indices))
    let lastUse = graph.lastUses(steps)
    var blocks: [Block] = []
    // A value that takes over its input's memory shares the input's block.
    var blockOfValue = [Int?](repeating: nil, count: graph.values.count)

    for value in graph.inputs {
      blockOfValue[value.index] = blocks.count
      blocks.append(Block(bytes: graph[value].byteCount, first: -1, last: steps.count))
    }
    var blockOfScratch = [Int?](repeating: nil, count: steps.count)
    for (position, step) in steps.enumerated() {
      let output = graph.nodes[step.nodes.upperBound].output
      if let input = step.inPlaceInput, let block = blockOfValue[input.index],
        graph[input].byteCount == graph[output].byteCount, lastUse[input.index] == position,
        !graph.inputs.contains(input)
      {
        blockOfValue[output.index] = block
        blocks[block].last = lastUse[output.index]
      } else if step.storesValue {
        blockOfValue[output.index] = blocks.count
        blocks.append(
          Block(bytes: graph[output].byteCount, first: position, last: lastUse[output.index]))
      }
      if step.scratchBytes > 0 {
        blockOfScratch[position] = blocks.count
        blocks.append(Block(bytes: step.scratchBytes, first: position, last: position))
      }
    }

    let outlasts = blocks.map { block in
      !segments.isEmpty
        && !segments.contains { $0.contains(block.first) && $0.contains(block.last) }
    }
    keptBytes = Block.place(&blocks, blocks.indices.filter { outlasts[$0] })
    workBytes = Block.place(&blocks, blocks.indices.filter { !outlasts[$0] })
    places = blockOfValue.map {
      $0.map { Place(isKept: outlasts[$0], offset: blocks[$0].offset) }
    }
    scratchOffsets = blockOfScratch.map { $0.map { blocks[$0].offset } ?? 0 }
  }
}

extension Graph {
  /// The step after which each value is no longer needed, by `Value.index`; inputs of the graph stay without being used.
  fileprivate func lastUses(_ steps: [MemoryPlan.Step]) -> [Int] {
    var last = [Int](repeating: -1, count: values.count)
    for (position, step) in steps.enumerated() {
      for node in nodes[step.nodes] {
        last[node.output.index] = position
        for input in node.operation.payload.inputs { last[input.index] = position }
      }
    }
    for value in outputs { last[value.index] = steps.count }
    return last
  }
}

/// A piece of the arena that is taken from step `first` to step `last`.
private struct Block {
  var bytes: Int
  var first: Int
  var last: Int
  var offset = 0

  /// Gives blocks their offsets, largest block first, each at the lowest offset where it overlaps
  /// no block that lives at the same time. Returns the region's size.
  static func place(_ blocks: inout [Block], _ members: [Int]) -> Int {
    let order = members.sorted {
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
    MemoryPlan.aligned(offset + bytes)
  }
}
