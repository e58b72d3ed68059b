public import Foundation

/// One of the command-line tools, run as a user runs it.
public struct Tool: Sendable {
  public struct Outcome: Sendable {
    public let status: Int32
    public let output: String
    public let error: String
  }

  private let executable: URL

  /// - Parameter name: a product of the package, built beside the tests.
  public init(_ name: String) throws {
    let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    executable = URL(filePath: tests).deletingLastPathComponent().appending(path: name)
  }

  /// The tool's path, for a shell command.
  public var path: String { executable.path }

  /// A command for the shell.
  public static func shell(_ command: String) throws -> Outcome {
    try Tool(executable: URL(filePath: "/bin/sh")).run("-c", command)
  }

  private init(executable: URL) { self.executable = executable }

  /// Runs the tool to its end.
  public func run(_ arguments: [String]) throws -> Outcome {
    let running = try start(arguments)
    return running.wait()
  }

  public func run(_ arguments: String...) throws -> Outcome { try run(arguments) }

  /// Starts the tool; its output is collected by `wait`.
  public func start(_ arguments: [String]) throws -> Running {
    let process = Process()
    process.executableURL = executable
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    let output = try Capture()
    let error = try Capture()
    process.standardOutput = output.handle
    process.standardError = error.handle
    try process.run()
    return Running(process: process, output: output, error: error)
  }

  public struct Running {
    public let process: Process
    private let output: Capture
    private let error: Capture

    fileprivate init(process: Process, output: Capture, error: Capture) {
      self.process = process
      self.output = output
      self.error = error
    }

    /// Waits for the end. A process that a signal ended has the status 128 plus its number, as in a shell.
    public func wait() -> Outcome {
      process.waitUntilExit()
      let status =
        process.terminationReason == .uncaughtSignal
        ? 128 + process.terminationStatus : process.terminationStatus
      return Outcome(status: status, output: output.text, error: error.text)
    }
  }

  /// A file that takes what a process prints: unlike a pipe, it never fills up.
  fileprivate final class Capture {
    let handle: FileHandle
    private let url: URL

    init() throws {
      url = FileManager.default.temporaryDirectory.appending(path: "sana-tool-\(UUID().uuidString)")
      try Data().write(to: url)
      handle = try FileHandle(forWritingTo: url)
    }

    var text: String { (try? String(contentsOf: url, encoding: .utf8)) ?? "" }

    deinit { try? FileManager.default.removeItem(at: url) }
  }
}
