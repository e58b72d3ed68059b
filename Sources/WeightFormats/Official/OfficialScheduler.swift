internal import Support

/// A pipeline's scheduler, as far as what is converted of the pipeline needs one.
struct OfficialScheduler: Sendable {
  /// `scheduler_config.json` as the file has it; `nil` where there is none that can be read.
  let document: MetadataValue?
  /// `nil` where there is none, or none that can be run.
  let configuration: SchedulerConfiguration?
  /// What the person should know.
  let notices: [String]

  /// Without a pipeline there is none.
  static let none = OfficialScheduler(document: nil, configuration: nil, notices: [])

  private init(document: MetadataValue?, configuration: SchedulerConfiguration?, notices: [String])
  {
    self.document = document
    self.configuration = configuration
    self.notices = notices
  }

  /// - Parameters:
  ///   - className: the scheduler's class by the pipeline's index.
  ///   - path: its configuration.
  ///   - components: what is converted.
  /// - Throws: what reading the configuration throws, where a transformer is converted, which alone
  ///   needs a scheduler. One that cannot be run is no error if another can be run in its place.
  init(
    named className: String, path: String, for components: [OfficialComponent]
  ) throws(SanaError) {
    var transformer: TransformerConfiguration?
    for case .transformer(let configuration) in components.map(\.configuration) {
      transformer = configuration
    }
    let document: MetadataValue
    do throws(SanaError) {
      document = try JSONParser.parse(file: path)
    } catch {
      guard transformer == nil else { throw error }
      self.init(
        document: nil, configuration: nil,
        notices: ["the scheduler is left out, which nothing here needs: \(error.description)"])
      return
    }
    guard let transformer else {
      self.init(
        document: document,
        configuration: try? SchedulerConfiguration(official: document, location: path), notices: [])
      return
    }
    if let own = document["_class_name"]?.stringValue, own != className {
      throw SanaError(
        .invalidConfiguration,
        "names the class '\(own.abbreviated)', model_index.json '\(className.abbreviated)'",
        remedy: "take both from one release", location: path)
    }
    do throws(SanaError) {
      self.init(
        document: document,
        configuration: try SchedulerConfiguration(official: document, location: path), notices: [])
    } catch {
      guard !transformer.embedsGuidance, error.code == .unsupported,
        let substitute = SchedulerConfiguration(inPlaceOf: document)
      else { throw error }
      self.init(
        document: document, configuration: nil,
        notices: [
          "the scheduler (\(className.abbreviated)) is kept but cannot be run (\(error.message));"
            + " draw with --scheduler dpm++ or euler, which take over its \(substitute.shiftText)"
        ])
    }
  }
}
