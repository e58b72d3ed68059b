internal import CHDF5
internal import Glibc
internal import Synchronization

/// The way into libhdf5, whose state is global: one caller at a time, and nothing printed behind our back.
enum HDF5Library {
  private static let lock = Mutex(())

  /// Runs `body` as the only user of the library. Must not be nested.
  static func perform<Result>(_ body: () throws -> Result) rethrows -> Result {
    try lock.withLock { _ in
      sana_hdf5_silence()
      errno = 0
      return try body()
    }
  }

  /// Whether the last failure was a version of some structure that the library does not know. Only
  /// within `perform`.
  static var failedAtVersion: Bool { sana_hdf5_failure_mentions("version") }

  /// The first filter of a dataset that the library lacks. Only within `perform`.
  static func missingFilter(of dataset: HDF5Handle) -> (number: Int32, name: String)? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
      guard let start = buffer.baseAddress else { return nil }
      let number = sana_hdf5_missing_filter(dataset.identifier, start)
      return number > 0 ? (number, String(cString: start)) : nil
    }
  }

  /// The innermost description of the last failure, for the error's text. Only within `perform`.
  static var lastFailure: String? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      guard let start = buffer.baseAddress else { return nil }
      sana_hdf5_failure(start)
      return start.pointee == 0 ? nil : String(cString: start)
    }
  }
}

/// An identifier that HDF5 handed out, closed when the last reference goes away. Only made and dropped within
/// `HDF5Library.perform`, but for the file's own, which takes the lock to close.
final class HDF5Handle {
  let identifier: hid_t
  private let close: (hid_t) -> herr_t

  /// - Returns: `nil` when the identifier reports a failure.
  init?(_ identifier: hid_t, close: @escaping (hid_t) -> herr_t) {
    guard identifier >= 0 else { return nil }
    self.identifier = identifier
    self.close = close
  }

  deinit { _ = close(identifier) }
}
