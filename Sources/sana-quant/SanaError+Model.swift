import Support

extension SanaError {
  /// Whether the model itself cannot be run, which does not hinder quantizing what there is of it.
  var isOfTheModel: Bool {
    switch code {
    case .tensorMismatch, .unsupported, .numericalFailure, .invalidArgument, .invalidConfiguration:
      true
    default: false
    }
  }
}
