package import Support

/// Adapters and the networks whose matrices they change: what each module is there, found before a
/// number is read.
package struct AdapterMerging: Sendable {
  /// Which module of which adapter changes a tensor, and which of the module's rows do.
  struct Change: Sendable {
    let adapter: Int
    let module: Int
    let rows: Range<Int>
  }

  package let adapters: [LowRankAdapter]
  /// What the person should know of each adapter.
  package let remarks: [[String]]
  /// The tensors that a module changes, by adapter and module; none for a module of a network that
  /// is not there.
  let targets: [[[AdapterTargets.Target]]]
  /// In the order in which they are made.
  private let changes: [ComponentKind: [String: [Change]]]

  /// - Throws: `.tensorMismatch` naming the first module that no network has, or has in another
  ///   shape.
  package init(
    _ adapters: [LowRankAdapter],
    networks: [(kind: ComponentKind, tensors: any CheckpointTensors)]
  ) throws(SanaError) {
    self.adapters = adapters
    let names = AdapterTargets(networks.map { ($0.kind, $0.tensors.tensors) })
    var targets: [[[AdapterTargets.Target]]] = []
    var changes: [ComponentKind: [String: [Change]]] = [:]
    var remarks: [[String]] = []
    for (index, adapter) in adapters.enumerated() {
      let fit = AdapterFit(adapter, in: names)
      if let misfit = fit.misfit { throw Self.error(misfit, adapter) }
      for (module, found) in fit.targets.enumerated() {
        for target in found {
          changes[target.kind, default: [:]][target.name, default: []].append(
            Change(adapter: index, module: module, rows: target.rows))
        }
      }
      targets.append(fit.targets)
      remarks.append(["\(adapter.summary), scale \(adapter.scale.plain)"] + adapter.notices)
      if fit.absentCount > 0 {
        let verb = fit.absentCount == 1 ? "is" : "are"
        remarks[index].append(
          "\(fit.absentCount.counted("module")) of the text encoder \(verb) left out, which is not converted"
        )
      }
    }
    self.targets = targets
    self.changes = changes
    self.remarks = remarks
  }

  /// The remarks, each after the name of the adapter's file.
  package var notices: [String] {
    zip(adapters, remarks).flatMap { adapter, remarks in
      remarks.map { "\(FileSystem.name(of: adapter.path).abbreviated): \($0)" }
    }
  }

  /// A network's tensors with the adapters' changes.
  package func adapted(
    _ base: any CheckpointTensors, of kind: ComponentKind
  ) -> any CheckpointTensors {
    guard let changes = changes[kind] else { return base }
    return AdaptedTensors(base, changes: changes, merging: self)
  }

  /// The misfit, with a remedy that names the releases that the adapter does fit.
  private static func error(_ misfit: SanaError, _ adapter: LowRankAdapter) -> SanaError {
    let releases = AdapterFit.releases(for: adapter).fitting
    guard misfit.code == .tensorMismatch, !releases.isEmpty else { return misfit }
    return SanaError(
      misfit.code, misfit.message,
      remedy: "use it with the transformer of \(releases.joined(separator: " or "))",
      location: misfit.location)
  }
}

/// How an adapter fits some networks.
struct AdapterFit {
  /// What each module changes; up to the one that does not fit.
  private(set) var targets: [[AdapterTargets.Target]] = []
  /// Modules of networks that are not there.
  private(set) var absentCount = 0
  /// What is wrong with the first module that does not fit.
  private(set) var misfit: SanaError?

  init(_ adapter: LowRankAdapter, in names: AdapterTargets) {
    var seen: Set<String> = []
    do throws(SanaError) {
      for module in adapter.modules {
        let found = try Self.targets(of: module, in: names, adapter)
        absentCount += found == nil ? 1 : 0
        for target in found ?? [] where !seen.insert("\(target.kind) \(target.name)").inserted {
          throw LowRankAdapter.mismatch(
            "'\(module.firstTensor.abbreviated)' adapts '\(target.name.abbreviated)', which another tensor adapts too",
            adapter.path, remedy: "save the one adapter that is wanted alone")
        }
        targets.append(found ?? [])
      }
      if seen.isEmpty {
        throw SanaError(
          .invalidArgument, "adapts the text encoder only, which is not converted",
          remedy: "convert a whole pipeline, or drop --lora", location: adapter.path)
      }
    } catch { misfit = error }
  }

  /// - Returns: `nil` for a module of a network that is not there.
  private static func targets(
    of module: AdapterModule, in names: AdapterTargets, _ adapter: LowRankAdapter
  ) throws(SanaError) -> [AdapterTargets.Target]? {
    func mismatch(_ message: String) -> SanaError {
      LowRankAdapter.mismatch("'\(module.firstTensor.abbreviated)' \(message)", adapter.path)
    }
    let targets: [AdapterTargets.Target]
    switch names.match(module.name) {
    case .absent: return nil
    case .targets(let found): targets = found
    case .none:
      throw mismatch(
        "adapts '\(AdapterTargets.withoutWrappers(module.name).abbreviated)', which \(names.description) not have"
      )
    case .ambiguous(let paths):
      throw mismatch("may adapt \(paths.prefix(3).map { "'\($0)'" }.joined(separator: " or "))")
    }
    let rows = targets.last?.rows.upperBound ?? 0
    for target in targets {
      let columns = target.shape.reduce(1, *) / max(target.rows.count, 1)
      guard module.rows == rows && module.columns == columns || module.isView(of: target.shape)
      else {
        throw mismatch(
          "makes a matrix of \(module.rows) x \(module.columns) for '\(target.name)' of the shape \(target.shape)"
        )
      }
      let inputs = target.shape.count < 2 ? 1 : target.shape[1]
      if let scale = module.parts[.scale],
        module.decomposedAxis(rows: rows, inputs: inputs) == nil
      {
        throw LowRankAdapter.mismatch(
          "'\(scale.name.abbreviated)' of the shape \(scale.shape) has no length for each of \(rows) rows or \(inputs) columns, or for both",
          adapter.path)
      }
    }
    return targets
  }

  /// The released models that an adapter fits, or what is wrong where it fits none: with the one
  /// that it fits furthest.
  static func releases(for adapter: LowRankAdapter) -> (fitting: [String], misfit: SanaError?) {
    let encoder = ReleasedConfigurations.layouts(of: .textEncoder).first.map {
      [(kind: ComponentKind.textEncoder, tensors: $0.layout.officialSafetensors)]
    }
    var fitting: [String] = []
    var closest: (count: Int, misfit: SanaError)?
    for (release, layout) in ReleasedConfigurations.layouts(of: .transformer) {
      let fit = AdapterFit(
        adapter,
        in: AdapterTargets([(.transformer, layout.officialSafetensors)] + (encoder ?? [])))
      if let misfit = fit.misfit {
        if fit.targets.count > closest?.count ?? -1 { closest = (fit.targets.count, misfit) }
      } else {
        fitting.append(release)
      }
    }
    return (fitting, closest?.misfit)
  }
}

extension OfficialLayout {
  /// Names and shapes as a file has them.
  fileprivate var officialSafetensors: [CheckpointTensor] {
    officialTensors.map { CheckpointTensor(name: $0.name, type: .f32, shape: $0.shape) }
  }
}

extension AdapterModule {
  enum Axis {
    case rows
    case inputs
  }

  /// Whether it is one row that holds all kernels of a depthwise convolution, which is how
  /// OneTrainer adapts them.
  func isView(of shape: [Int]) -> Bool {
    shape.count == 4 && shape[1] == 1 && rows == 1 && columns == shape.reduce(1, *)
      && !isDecomposed && flavour == .lora
  }

  /// What LyCORIS' lengths are those of, which only their shape tells: `[rows, 1]` or `[1,
  /// inputs]`; `nil` where they are neither, or may be both.
  func decomposedAxis(rows: Int, inputs: Int) -> Axis? {
    guard let shape = parts[.scale]?.shape else { return nil }
    let isOfRows = shape.first == rows && shape.dropFirst().allSatisfy { $0 == 1 }
    let isOfInputs =
      shape.count < 2
      ? shape == [inputs]
      : shape[0] == 1 && shape[1] == inputs && shape.dropFirst(2).allSatisfy { $0 == 1 }
    return switch (isOfRows, isOfInputs) {
    case (true, false): .rows
    case (false, true): .inputs
    // One row, one input: the same.
    case (true, true): rows == 1 && inputs == 1 ? .rows : nil
    case (false, false): nil
    }
  }
}
