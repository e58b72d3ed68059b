internal import SanaGraph

/// What a model whose channels were scaled against each other, as migration of outliers into a norm
/// or a neighbouring product does, has in place of another model's value: the value's numbers times
/// a factor for each channel.
enum ChannelScales {
  /// With fewer rows a factor would fit the errors themselves.
  private static let fewestRows = 16
  /// A quarter of the error's power: noise that has nothing to do with channels keeps nearly all of
  /// it.
  private static let explainedShare = 0.25

  /// The reference as the tested model has it: in scales of its own where those explain most of the
  /// difference between the two, otherwise as it is.
  static func inScalesOf(_ tested: HostTensor, _ original: HostTensor) -> HostTensor {
    guard case .floats(let reference) = original.storage, case .floats(let values) = tested.storage,
      tested.shape.rows >= fewestRows
    else { return original }
    let channels = tested.shape.channels
    var products = [Double](repeating: 0, count: channels)
    var squares = products
    var errors = 0.0
    for row in 0..<tested.shape.rows {
      for channel in 0..<channels {
        let (x, y) = (
          Double(reference[row * channels + channel]), Double(values[row * channels + channel])
        )
        products[channel] += x * y
        squares[channel] += x * x
        errors += (x - y) * (x - y)
      }
    }
    let factors = zip(products, squares).map { $1 > 0 ? Float($0 / $1) : 1 }
    var scaled = reference
    var left = 0.0
    for index in scaled.indices {
      scaled[index] *= factors[index % channels]
      let error = Double(scaled[index] - values[index])
      left += error * error
    }
    return HostTensor(tested.shape, left < explainedShare * errors ? scaled : reference)
  }
}
