internal import SanaGraph

/// How the layers of a cascade are cut into bands of image rows: which rows of each layer are computed, and kept, in turn.
struct CascadeBands {
  /// The rows of a source that a layer reads for some of its own rows.
  struct Reach {
    /// Rows of the layer for one of the source.
    var factor = 1
    /// Rows of the source for one of the layer.
    var stride = 1
    /// Rows of the source that are read above those.
    var above = 0
    /// And below.
    var below = 0

    /// One row for one.
    static let same = Reach()

    func rows(_ output: Range<Int>, of height: Int) -> Range<Int> {
      let first = output.lowerBound * stride / factor - above
      let end = (output.upperBound * stride + factor - 1) / factor + below
      return max(first, 0)..<min(end, height)
    }

    /// Up to which row the layer can be computed when its source is up to one that is not its last.
    func end(_ source: Int) -> Int { max(source - below, 0) * factor / stride }
  }

  /// What a layer computes from other layers.
  struct Layer {
    let height: Int
    /// Rows of a tile.
    let tileRows: Int
    /// Layers before this one.
    let sources: [(layer: Int, reach: Reach)]

    func wholeTiles(_ rows: Int) -> Int { (rows + tileRows - 1) / tileRows * tileRows }
  }

  /// What is done for a layer in a band.
  struct Part {
    /// Computed in this band, whole tiles; empty when those of the bands before suffice.
    let rows: Range<Int>
    /// The rows in memory from then on.
    let held: Range<Int>
  }

  /// The parts of every layer, band by band.
  let all: [[Part]]
  /// The most rows of each layer that are in memory at a time.
  let capacities: [Int]
  /// The most rows of each layer that are computed at a time.
  let lengths: [Int]

  /// - Parameters:
  ///   - layers: a layer's rows are of use to the layers after it; those of the last are the
  ///     result.
  ///   - rows: of the result in a band, about.
  init(_ layers: [Layer], rows: Int) {
    var computed = layers.map { _ in 0 }
    var bands: [[Part]] = []
    while let last = layers.last, computed[layers.count - 1] < last.height {
      let ends = Self.ends(layers, computed, rows: rows)
      let needed = Self.firstNeeded(layers, computed)
      bands.append(
        layers.indices.map { Part(rows: computed[$0]..<ends[$0], held: needed[$0]..<ends[$0]) })
      computed = ends
    }
    all = bands
    lengths = layers.indices.map { layer in bands.map { $0[layer].rows.count }.max() ?? 0 }
    capacities = layers.indices.map { layer in bands.map { $0[layer].held.count }.max() ?? 0 }
  }

  /// Up to which row each layer is computed next, in whole tiles: as far as the layers after it
  /// read, but neither further than its sources are, nor than a band. So a layer is never far ahead
  /// of those that read it.
  private static func ends(_ layers: [Layer], _ computed: [Int], rows: Int) -> [Int] {
    let wanted = wanted(layers, computed, rows: rows)
    var ends = computed
    for (index, layer) in layers.enumerated() {
      // The same part of the image as of the last layer.
      let height = layers[layers.count - 1].height
      let length = layer.wholeTiles(max((rows * layer.height + height - 1) / height, 1))
      var end = min(wanted[index], computed[index] + length)
      for source in layer.sources where ends[source.layer] < layers[source.layer].height {
        let readable = source.reach.end(ends[source.layer])
        end = min(end, readable / layer.tileRows * layer.tileRows)
      }
      ends[index] = max(end, computed[index])
    }
    return ends
  }

  /// Up to which row each layer must be computed for the last one to get a band further.
  private static func wanted(_ layers: [Layer], _ computed: [Int], rows: Int) -> [Int] {
    var wanted = computed
    for index in layers.indices.reversed() {
      let layer = layers[index]
      if index == layers.count - 1 {
        wanted[index] = min(layer.wholeTiles(computed[index] + rows), layer.height)
      }
      guard wanted[index] > computed[index] else { continue }
      for source in layer.sources {
        let other = layers[source.layer]
        let read = source.reach.rows(computed[index]..<wanted[index], of: other.height)
        wanted[source.layer] = max(
          wanted[source.layer], min(other.wholeTiles(read.upperBound), other.height))
      }
    }
    return wanted
  }

  /// The first row of each layer that is still to be computed, or still to be read by another.
  private static func firstNeeded(_ layers: [Layer], _ computed: [Int]) -> [Int] {
    var first = computed
    for (index, layer) in layers.enumerated() where computed[index] < layer.height {
      for source in layer.sources {
        let read = source.reach.rows(
          computed[index]..<computed[index] + 1, of: layers[source.layer].height)
        first[source.layer] = min(first[source.layer], read.lowerBound)
      }
    }
    return first
  }
}
