#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif
public import ArgumentParser
internal import CFaults
internal import Support

/// How every tool begins and ends: streams and limits prepared, arguments checked and parsed, and
/// one way to print help and to report what is wrong with the words of the command line.
///
///     static func main() { ToolProgram.run(Self.self) }
public enum ToolProgram {
  private static let longestMessage = 480

  /// Runs the tool and ends the process: with status 0; 64 for wrong usage; what the command says
  /// otherwise.
  /// - Parameter failureStatuses: of the commands of which 1 is a result, by name: memory may run
  ///   out before their words are understood.
  public static func run<Root: ParsableCommand>(
    _ root: Root.Type, failureStatuses: [String: Int32] = [:]
  ) -> Never {
    if let status = CommandLine.arguments.dropFirst().first.flatMap({ failureStatuses[$0] }) {
      sana_set_failure_status(status)
    }
    StandardStreams.prepare()
    exit(status(of: root))
  }

  private static func status<Root: ParsableCommand>(of root: Root.Type) -> Int32 {
    do {
      let check = try ArgumentCheck(root, Array(CommandLine.arguments.dropFirst()))
      do {
        var command = try root.parseAsRoot(try check.checked())
        try command.run()
        return 0
      } catch let wrong as ArgumentCheck.WrongWord {
        print(wrong.message, usage: "\n" + usage(of: check.command, in: root))
        return ExitCode.validationFailure.rawValue
      }
    } catch let exit as ExitCode {
      return exit.rawValue
    } catch {
      let code = root.exitCode(for: error)
      guard code != .success else { return answer(error, of: root) }
      let message = root.message(for: error)
      // What follows the message quotes nothing but this program.
      let rest = root.fullMessage(for: error).dropFirst(root._errorPrefix.count + message.count)
      print(message, usage: String(rest))
      return code.rawValue
    }
  }

  private static func usage<Root: ParsableCommand>(
    of command: any ParsableCommand.Type, in root: Root.Type
  ) -> String {
    let name = command == root ? "" : " \(command._commandName)"
    return "Usage: \(root.usageString(for: command))\n"
      + "  See '\(root._commandName)\(name) --help' for more information."
  }

  /// Says in one line what is wrong, then how the command is used.
  private static func print(_ message: String, usage: String) {
    try? OutputStream.standardError.writeLine(
      "error: " + message.printable(limit: longestMessage) + usage)
  }

  /// Prints help, a version or a script for a shell.
  private static func answer<Root: ParsableCommand>(_ request: any Error, of root: Root.Type)
    -> Int32
  {
    do throws(SanaError) {
      try OutputStream.standardOutput.writeLine(root.fullMessage(for: request))
      return 0
    } catch {
      if error.code == .closedOutput { return ToolSession.closedOutputStatus }
      try? OutputStream.standardError.writeLine("error: \(error)")
      return 1
    }
  }
}
