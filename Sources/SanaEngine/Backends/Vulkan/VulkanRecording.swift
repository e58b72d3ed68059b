/// What kernels read and write, in the order in which they are recorded, and the barriers between
/// them: plain data, so that it can be checked without a device.
package struct VulkanRecording: Sendable {
  package struct Access: Hashable, Sendable {
    /// Tells buffers apart.
    package let buffer: ObjectIdentifier
    /// Bytes of the buffer.
    package let range: Range<Int>
    package let writes: Bool

    package init(buffer: ObjectIdentifier, range: Range<Int>, writes: Bool) {
      self.buffer = buffer
      self.range = range
      self.writes = writes
    }
  }

  package enum Entry: Sendable {
    case dispatch([Access])
    /// Everything before it is finished and visible to everything behind it.
    case barrier
  }

  package private(set) var entries: [Entry] = []
  private var sinceBarrier: [Access] = []

  package init() {}

  /// Records a kernel, after a barrier where it reads or writes what one since the last barrier
  /// wrote, or writes what one read.
  /// - Returns: whether there is a barrier before it.
  package mutating func add(_ accesses: [Access]) -> Bool {
    let needsBarrier = accesses.contains { access in
      sinceBarrier.contains { $0.conflicts(with: access) }
    }
    if needsBarrier { addBarrier() }
    entries.append(.dispatch(accesses))
    sinceBarrier += accesses
    return needsBarrier
  }

  package mutating func addBarrier() {
    entries.append(.barrier)
    sinceBarrier = []
  }
}

extension VulkanRecording.Access {
  fileprivate func conflicts(with other: Self) -> Bool {
    buffer == other.buffer && range.overlaps(other.range) && (writes || other.writes)
  }
}

/// Finds what a recording leaves to chance: it replays it byte range by byte range, and knows
/// nothing of how barriers were chosen.
package enum VulkanHazards {
  package enum Kind: Hashable, Sendable {
    case readAfterWrite, writeAfterRead, writeAfterWrite
  }

  package struct Hazard: Hashable, Sendable {
    package let kind: Kind
    /// Positions in the recording.
    package let first, second: Int
  }

  /// Who touched a run of bytes since the last barrier.
  private struct Toucher {
    let range: Range<Int>
    let writes: Bool
    let position: Int
  }

  package static func all(in entries: [VulkanRecording.Entry]) -> [Hazard] {
    var hazards: [Hazard] = []
    var touchers: [ObjectIdentifier: [Toucher]] = [:]
    for (position, entry) in entries.enumerated() {
      guard case .dispatch(let accesses) = entry else {
        touchers = [:]
        continue
      }
      for access in accesses {
        for toucher in touchers[access.buffer] ?? [] where toucher.range.overlaps(access.range) {
          let kind: Kind? =
            switch (toucher.writes, access.writes) {
            case (true, false): .readAfterWrite
            case (false, true): .writeAfterRead
            case (true, true): .writeAfterWrite
            case (false, false): nil
            }
          guard let kind else { continue }
          hazards.append(Hazard(kind: kind, first: toucher.position, second: position))
        }
      }
      for access in accesses {
        touchers[access.buffer, default: []].append(
          Toucher(range: access.range, writes: access.writes, position: position))
      }
    }
    return hazards
  }
}
