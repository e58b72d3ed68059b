internal import Support
internal import Synchronization

/// A tensor that holds NaN or infinity.
public struct NotFiniteTensor: Hashable, Sendable {
  /// As its file names it.
  public let name: String
  /// The file that it is in; `nil` where it was computed from finite numbers.
  public let path: String?
  public let count: NotFiniteCount

  /// What a file that was made of it all the same says about it.
  var provenance: MetadataValue {
    [
      "tensor": .string(name),
      "file": path.map { .string(FileSystem.name(of: $0)) } ?? .null,
      "nan": .integer(Int64(count.nan)),
      "infinite": .integer(Int64(count.infinite)),
    ]
  }
}

/// NaN and infinities that were met while tensors were read, counted from any thread.
package final class NotFiniteNumbers: Sendable {
  private struct Origin: Hashable {
    let path: String?
    let name: String
  }

  private static let shownCount = 4

  private let counts = Mutex<[Origin: NotFiniteCount]>([:])

  package init() {}

  /// - Parameter path: the file that the tensor is in; `nil` where it was computed.
  package func add(_ count: NotFiniteCount, tensor name: String, path: String?) {
    guard count.total > 0 else { return }
    counts.withLock { $0[Origin(path: path, name: name), default: NotFiniteCount()] += count }
  }

  package func add(_ count: NotFiniteCount, from origin: TensorOrigin?) {
    guard let origin else { return }
    add(count, tensor: origin.name, path: origin.path)
  }

  /// File by file, those with most first. What was computed only counts where every number that was
  /// read is finite.
  package var tensors: [NotFiniteTensor] {
    let counts = counts.withLock { $0 }
    let read = counts.filter { $0.key.path != nil }
    return (read.isEmpty ? counts : read)
      .map { NotFiniteTensor(name: $0.name, path: $0.path, count: $1) }
      .sorted {
        ($0.path ?? "", $1.count.total, $0.name) < ($1.path ?? "", $0.count.total, $1.name)
      }
  }

  /// Names the tensors: `'proj_out.bias' of transformer/model.safetensors (1 NaN)`.
  /// - Parameter location: what the message is about; a file that is just this is not named again.
  package static func summary(_ tensors: [NotFiniteTensor], of location: String) -> String {
    let total = tensors.reduce(0) { $0 + $1.count.total }
    let named = tensors.prefix(shownCount).map { tensor in
      let path = tensor.path.flatMap { $0 == location ? nil : $0 }
      let file = path.map { " of \(Self.shortName(of: $0).abbreviated)" } ?? ""
      return "'\(tensor.name.abbreviated)'\(file) (\(tensor.count))"
    }
    let rest = tensors.count - named.count
    return "\(total) number\(total == 1 ? "" : "s") of \(tensors.count)"
      + " tensor\(tensors.count == 1 ? " is" : "s are") not finite: \(named.joined(separator: ", "))"
      + (rest > 0 ? " and \(rest) more" : "")
  }

  /// The file and its folder: the networks of a pipeline have files of one name.
  private static func shortName(of path: String) -> String {
    let folder = FileSystem.name(of: FileSystem.parent(of: path))
    return folder == "." ? FileSystem.name(of: path) : "\(folder)/\(FileSystem.name(of: path))"
  }
}
