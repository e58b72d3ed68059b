#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif
import CommandLineSupport
import SanaEngine
import SanaGraph

/// The demo's pictures, drawn with one model file, and what that took.
struct DemoVariant {
  /// Pixels a side, the only size the demo model was trained for.
  static let side = 256

  /// The file's name without its ending.
  let name: String
  let fileBytes: Int
  let pictures: [RGBImage]
  let plannedBytes: Int
  /// The most memory of the whole process while this variant drew.
  let processBytes: Int?
  let time: Duration

  /// Draws all prompts with the demo's settings: seed 0, 20 steps, guidance 4.5.
  init(
    path: String, precision: ComputePrecision, prompts: [String], threads: Int?,
    _ session: ToolSession
  ) throws {
    let fileName = path.split(separator: "/").last.map(String.init) ?? path
    let name = fileName.hasSuffix(".sana") ? String(fileName.dropLast(5)) : fileName
    ProcessMemory.resetPeak()
    let start = ContinuousClock.now
    let backend = try DeviceSelection.automatic.makeBackend(
      precision: precision, threads: threads)
    let drawing = Session(
      model: try PipelineModel(path: path), backend: backend,
      context: RunContext(cancellation: session.cancellation))
    session.progress.begin(name, total: prompts.count)
    var pictures: [RGBImage] = []
    var plannedBytes = 0
    for prompt in prompts {
      let plan = try drawing.draw(
        GenerationRequest(
          prompts: [prompt], width: Self.side, height: Self.side, steps: 20, guidanceScale: 4.5,
          seed: 0, usesResolutionBinning: false)
      ) { event in
        if case .picture(_, let picture) = event { pictures.append(try RGBImage(picture)) }
      }
      plannedBytes = max(plannedBytes, plan.peakBytes)
      session.progress.update(pictures.count)
    }
    session.progress.end()
    time = ContinuousClock.now - start
    processBytes = ProcessMemory.peakBytes
    self.plannedBytes = plannedBytes
    fileBytes = drawing.model.file.byteCount
    self.name = name
    self.pictures = pictures
  }
}

/// PSNR of two pictures of one size in decibels; infinite for equal ones.
func peakSignalToNoise(_ picture: RGBImage, _ reference: RGBImage) -> Double {
  let squares = zip(picture.pixels, reference.pixels).reduce(0) { sum, pair in
    let difference = Int(pair.0) - Int(pair.1)
    return sum + difference * difference
  }
  guard squares > 0 else { return .infinity }
  let mean = Double(squares) / Double(reference.pixels.count)
  return 10 * log10(255 * 255 / mean)
}
