public import Support

/// What an official checkpoint holds, part by part, found without reading a number: also of parts
/// that cannot be converted.
public struct CheckpointInventory: Sendable {
  /// One of the sets of files that hold a part's weights.
  public struct FileSet: Sendable {
    public enum Format: String, Hashable, Sendable {
      case safetensors
      case torch
    }

    /// `fp16` for `*.fp16.safetensors`, `nil` for the plain files.
    public let variant: String?
    public let format: Format
    /// Whether the tensors have NVlabs' names instead of diffusers'.
    public let hasOriginalNames: Bool
    public let fileNames: [String]
    public let byteCount: Int
    /// The dictionaries of weights in a torch file.
    public let states: [StateDictionary]
    /// The name of the one that is taken and counted here; `nil` where the file is no torch file.
    public let state: String?
    public let tensorCount: Int
    /// Numbers in the tensors, by their type.
    public let numberCounts: [ScalarType: Int]

    public var parameterCount: Int { numberCounts.values.reduce(0, +) }
  }

  /// A network, an adapter, or what stands where a network should be.
  public struct Part: Sendable {
    /// The folder in a pipeline; the file's or folder's own name otherwise.
    public let name: String
    /// As the official documents name it: `SanaTransformer2DModel`; `nil` where none does.
    public internal(set) var className: String?
    public internal(set) var kind: ComponentKind?
    public internal(set) var configuration: ComponentConfiguration?
    /// The released models that it could be of, by size: weights of one architecture share a
    /// configuration.
    public internal(set) var releases: [String] = []
    public internal(set) var fileSets: [FileSet] = []
    /// What a conversion says about the files that it takes and the names in them.
    public internal(set) var notices: [String] = []
    /// Whether it is merged into a network instead of being one.
    public internal(set) var isAdapter = false
    /// Why it is not converted, or how; `nil` where there is nothing to say.
    public internal(set) var remark: String?
  }

  /// What a conversion of everything says.
  public struct Verdict: Sendable {
    /// Its notes.
    public let notices: [String]
    /// Why it fails; `nil` where it does not, as far as can be told without reading the numbers.
    public let error: SanaError?

    /// Of what is not converted by itself.
    fileprivate init() {
      notices = []
      error = nil
    }

    fileprivate init(on path: String, state: StateSelection? = nil) {
      do throws(SanaError) {
        notices = try CheckpointConversion(OfficialCheckpoint(path: path, state: state)).notices
        error = nil
      } catch {
        notices = []
        self.error = error
      }
    }
  }

  public let path: String
  public let conversion: Verdict
  /// The class of a pipeline; `nil` for a single part.
  public let pipelineClass: String?
  public let scheduler: SchedulerConfiguration?
  /// The scheduler's class by the pipeline's index, also of one that cannot be run.
  public let schedulerClass: String?
  public let parts: [Part]

  /// - Parameter state: which of a torch file's dictionaries is wanted; `nil` for the weights as
  ///   they were trained.
  /// - Throws: `.fileAccess`, `.malformedFile` or `.invalidArgument` when there is no checkpoint at
  ///   all; what is wrong with a part becomes its remark.
  public init(path: String, state: StateSelection? = nil) throws(SanaError) {
    self.path = path
    if state != nil, FileSystem.kind(of: path) == .directory {
      throw WeightFiles.stateWithoutTorchFile(path)
    }
    switch FileSystem.kind(of: path) {
    case .file:
      pipelineClass = nil
      scheduler = nil
      schedulerClass = nil
      let part = try Self.part(file: path, state: state)
      parts = [part]
      conversion = part.isAdapter ? Verdict() : Verdict(on: path, state: state)
    case .directory:
      conversion = Verdict(on: path)
      let indexPath = FileSystem.join(path, "model_index.json")
      let configurationPath = FileSystem.join(path, "config.json")
      if FileSystem.kind(of: indexPath) == .file {
        let index = try JSONParser.parse(file: indexPath)
        pipelineClass = index["_class_name"]?.stringValue
        let schedulerPath = FileSystem.join(path, "scheduler/scheduler_config.json")
        scheduler = Self.scheduler(schedulerPath)
        schedulerClass = index["scheduler"]?.arrayValue?.last?.stringValue
        parts = PipelineClass.parts(of: index).map { part in
          Self.part(
            directory: FileSystem.join(path, part.name), named: part.name,
            className: part.className,
            role: ComponentKind.allCases.first { $0.officialFolder == part.name })
        }
      } else if FileSystem.kind(of: configurationPath) == .file {
        let document = try JSONParser.parse(file: configurationPath)
        pipelineClass = nil
        scheduler = nil
        schedulerClass = nil
        parts = [
          Self.part(
            directory: path, named: FileSystem.name(of: path),
            className: ComponentKind.className(in: document), role: nil)
        ]
      } else if let error = OfficialCheckpoint.danglingDocument(in: path) {
        throw error
      } else {
        throw SanaError(
          .invalidArgument,
          "is no checkpoint: it holds neither model_index.json nor config.json",
          remedy: "name the folder of an official diffusers checkpoint", location: path)
      }
    default:
      throw .danglingLink(path)
        ?? SanaError(
          .fileAccess, "is neither a file nor a folder",
          remedy: "name a .sana file, or the folder or a file of an official checkpoint",
          location: path)
    }
  }

  private static func scheduler(_ path: String) -> SchedulerConfiguration? {
    guard FileSystem.kind(of: path) == .file, let document = try? JSONParser.parse(file: path)
    else { return nil }
    return try? SchedulerConfiguration(official: document, location: path)
  }

  private static func part(
    directory: String, named name: String, className: String?, role: ComponentKind?
  ) -> Part {
    var part = Part(name: name, className: className)
    guard FileSystem.kind(of: directory) == .directory else {
      part.remark =
        SanaError.danglingLink(directory).map { "cannot be converted: \($0)" }
        ?? "the folder is missing"
      return part
    }
    do throws(SanaError) {
      let kind = className.flatMap { try? ComponentKind(officialClass: $0, location: directory) }
      let library = OfficialLibrary(loading: kind ?? role)
      var hasPlainFiles = true
      for variant in [nil] + (try WeightFiles.variants(in: directory)) {
        do throws(SanaError) {
          guard
            let files = try WeightFiles.exact(in: directory, variant: variant, library: library)
          else {
            hasPlainFiles = hasPlainFiles && variant != nil
            continue
          }
          part.fileSets.append(FileSet(try files.open(), variant: variant))
        } catch {
          // What is wrong with the plain files is found again below.
          if let variant { part.notices.append("--variant \(variant.abbreviated): \(error)") }
        }
      }
      if let className, PipelineClass.isControlNet(className) {
        part.remark = controlNetRemark
        return part
      }
      if let className {
        part.kind = try ComponentKind(officialClass: className, location: directory)
      }
      let variant = hasPlainFiles ? nil : part.fileSets.first?.variant
      part.complete(try OfficialComponent(directory: directory, variant: variant, role: role))
    } catch {
      part.remark = part.remark ?? "cannot be converted: \(error)"
    }
    return part
  }

  private static func part(
    file path: String, state: StateSelection?
  ) throws(SanaError) -> Part {
    var part = Part(name: FileSystem.name(of: path))
    let tensors = try WeightFiles.open(file: path, state: state)
    part.fileSets = [FileSet(tensors, variant: nil)]
    if !OfficialTensors.areAdapted(tensors), LowRankAdapter.isAdapter(tensors) {
      part.isAdapter = true
      part.remark = LowRankAdapter.remark(path: path)
    } else if OriginalNames.isControlNet(tensors) {
      part.className = "SanaControlNetModel"
      part.remark = controlNetRemark
    } else {
      do throws(SanaError) {
        let official = try OfficialTensors(tensors, location: path)
        let weights = official.tensors
        part.kind = try ComponentKind(recognizing: weights, location: path)
        if let kind = part.kind {
          part.className = kind.officialClass
          part.releases = ReleasedConfigurations.names(of: kind, fitting: weights, location: path)
        }
        part.complete(try OfficialComponent(official, file: path))
      } catch {
        part.remark = "cannot be converted: \(error)"
      }
    }
    return part
  }

  private static let controlNetRemark =
    "a ControlNet is not run yet; a conversion of its pipeline leaves it out"
}

extension CheckpointInventory.Part {
  /// Adds what the configuration tells, and whether the tensors are those it asks for.
  fileprivate mutating func complete(_ component: OfficialComponent) {
    kind = component.kind
    className = className ?? component.kind.officialClass
    configuration = component.configuration
    releases = ReleasedConfigurations.names(of: component.configuration)
    notices += component.notices
    do throws(SanaError) {
      _ = try FusedCheckpointSource(component)
    } catch {
      remark = "cannot be converted: \(error)"
    }
  }
}

extension CheckpointInventory.FileSet {
  fileprivate init(_ tensors: WeightCollection, variant: String?) {
    self.variant = variant
    let torch = tensors.torchFile
    format = tensors.isTorch ? .torch : .safetensors
    states = torch?.dictionaries ?? []
    state = torch?.dictionary.name
    hasOriginalNames =
      OriginalNames.areOriginal(tensors)
      || (try? OfficialTensors(tensors, location: ""))?.hasOriginalNames == true
    fileNames = tensors.sourceFiles.map { FileSystem.name(of: $0.path) }
    byteCount = tensors.sourceFiles.reduce(0) { $0 + $1.byteCount }
    tensorCount = tensors.tensors.count
    numberCounts = tensors.tensors.reduce(into: [:]) {
      $0[$1.type, default: 0] += $1.elementCount
    }
  }
}
