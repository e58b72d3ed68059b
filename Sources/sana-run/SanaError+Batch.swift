import SanaEngine
import SanaGraph
import Support

extension SanaError {
  /// The failure of a run that has written some of its pictures.
  func after(_ written: [String], of settings: GenerationSettings) -> SanaError {
    let total = settings.pictures.count
    guard let last = written.last else { return self }
    let names =
      written.count == 1
      ? last.printablePath : "\(written[0].printablePath) to \(last.printablePath)"
    let finished = "\(written.count) of \(total) pictures are written, \(names)"
    guard code == .cancelled else {
      return SanaError(
        code, "\(message) (\(finished))", remedy: remedy, location: location, cause: cause)
    }
    let rest = total - written.count
    return SanaError(
      .cancelled, "stopped: \(finished)",
      remedy: settings.prompts.count == 1
        ? "draw the others with --seed \(settings.pictures[written.count].seed) --count \(rest) and another --output"
        : "run the command again to draw all")
  }
}
