public import Support

/// The metadata that a conversion writes into a `.sana` file, and that runners and the export read
/// (`formats.md`, "Metadata").
public enum ModelMetadata {
  // Of the file.
  static let modelIndex = "model_index"
  static let scheduler = "scheduler"
  static let provenance = "provenance"
  static let licences = "licences"
  // Of a component.
  static let configuration = "configuration"
  static let variant = "variant"
  static let sourceTypes = "source_types"
  // Of a tensor.
  static let fusion = "fusion"
  static let sources = "sources"
}

extension ModelFile {
  /// The class of the pipeline that the file was converted from: `SanaPipeline`; `nil` for a single
  /// component.
  public var pipelineClass: String? {
    metadata[ModelMetadata.modelIndex]?["_class_name"]?.stringValue
  }

  /// The configuration of a network of the file.
  /// - Throws: `.tensorMismatch` when the file has no such component; as `ComponentConfiguration`'s
  ///   initializer does.
  public func configuration(of kind: ComponentKind) throws(SanaError) -> ComponentConfiguration {
    let component = try source(for: kind).component
    return try ComponentConfiguration(
      kind, official: component.metadata[ModelMetadata.configuration] ?? .null,
      location: "\(path) (\(component.name))")
  }

  /// The class of the scheduler that the checkpoint names, also of one that cannot be run; `nil`
  /// when it names none.
  public var schedulerClass: String? {
    metadata[ModelMetadata.scheduler]?["_class_name"]?.stringValue
  }

  /// The sampler that the checkpoint names, or `nil` when it names none.
  /// - Parameter substitutes: whether another sampler is chosen by the user, for which the
  ///   constants of one that cannot be run do.
  /// - Throws: as `SchedulerConfiguration`'s initializer does.
  public func schedulerConfiguration(
    substitutes: Bool = false
  ) throws(SanaError) -> SchedulerConfiguration? {
    guard let document = metadata[ModelMetadata.scheduler], document != .null else { return nil }
    let location = "\(path) (scheduler)"
    do throws(SanaError) {
      return try SchedulerConfiguration(official: document, location: location)
    } catch {
      guard error.code == .unsupported,
        let substitute = SchedulerConfiguration(inPlaceOf: document)
      else { throw error }
      guard !substitutes else { return substitute }
      throw SanaError(
        error.code, error.message,
        remedy:
          "choose another (--scheduler dpm++ or euler), which takes its \(substitute.shiftText) over",
        location: location)
    }
  }
}

/// The types that official tensors had: one for most of a component, and the exceptions by name.
struct SourceTypes: Hashable {
  private let common: ScalarType
  private let exceptions: [String: ScalarType]

  init(_ types: [(name: String, type: ScalarType)]) {
    let counts = types.reduce(into: [ScalarType: Int]()) { $0[$1.type, default: 0] += 1 }
    let common =
      counts.max { ($0.value, $0.key.rawValue) < ($1.value, $1.key.rawValue) }?.key ?? .f32
    self.common = common
    exceptions = Dictionary(
      types.filter { $0.type != common }.map { ($0.name, $0.type) },
      uniquingKeysWith: { first, _ in first })
  }

  /// - Throws: `.malformedFile` when the types are no floating-point types. Absent metadata mean
  ///   f32.
  init(_ metadata: MetadataValue?, location: String) throws(SanaError) {
    func type(_ value: MetadataValue?) throws(SanaError) -> ScalarType {
      guard let type = value?.stringValue.flatMap(ScalarType.init(rawValue:)), type.isFloatingPoint
      else {
        throw SanaError(
          .malformedFile, "its '\(ModelMetadata.sourceTypes)' are no floating-point types",
          remedy: "convert the checkpoint again", location: location)
      }
      return type
    }
    common = try metadata.map { value throws(SanaError) in try type(value["common"]) } ?? .f32
    var exceptions: [String: ScalarType] = [:]
    for member in metadata?["exceptions"]?.members ?? [] {
      exceptions[member.name] = try type(member.value)
    }
    self.exceptions = exceptions
  }

  subscript(name: String) -> ScalarType { exceptions[name] ?? common }

  var metadata: MetadataValue {
    [
      "common": .string(common.rawValue),
      "exceptions": .object(
        exceptions.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value.rawValue)) }),
    ]
  }
}
