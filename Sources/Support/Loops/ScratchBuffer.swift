/// Memory that one worker uses again and again.
package final class ScratchBuffer {
  private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)

  package init() {}

  package func bytes(count: Int) -> UnsafeMutableRawBufferPointer {
    if memory.count < count {
      memory.deallocate()
      memory = .allocate(byteCount: count, alignment: 64)
    }
    return UnsafeMutableRawBufferPointer(rebasing: memory[..<count])
  }

  deinit { memory.deallocate() }
}
