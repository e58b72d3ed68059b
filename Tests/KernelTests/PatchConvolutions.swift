import SanaEngine
import SanaGraph

/// Convolutions that are computed as products of gathered patches: no kernel of 3x3 and stride 1 among them.
enum PatchConvolutions {
  static let graphs = [(5, 7, 3, 2), (67, 20, 2, 1), (130, 33, 3, 2)].map {
    channels, outputs, kernel, stride in
    var builder = GraphBuilder(name: "\(kernel)x\(kernel) of \(channels) to \(outputs)")
    let x = builder.input("x", Shape(batch: 2, height: 7, width: 9, channels: channels))
    let y = builder.convolution(
      x, weight: Parameter("w", [outputs, kernel, kernel, channels]), stride: stride,
      padding: kernel / 2)
    return builder.finish(outputs: [y])
  }
}
