internal import SanaGraph
internal import WeightFormats

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Numbers that a node reads beside its inputs and weights: what devices compute too inexactly, and
/// rows that are read from the file.
struct VulkanTable {
  enum Use: Hashable {
    /// Cosine and sine of every position and pair of channels.
    case rotation
    /// Keys and values of earlier positions.
    case earlier
    /// Frequencies of a sinusoid.
    case frequencies
    /// Rows that are looked up in every run.
    case rows
  }

  struct Key: Hashable {
    let node: Int
    let use: Use
  }

  let key: Key
  let name: String
  let count: Int
  /// What is in it from the preparation on; nil where every run fills it.
  let contents: (any WeightSource) throws -> [Float]?

  var byteCount: Int { count * MemoryLayout<Float>.size }

  /// Of every node of a graph.
  static func all(of graph: Graph) throws -> [VulkanTable] {
    graph.nodes.enumerated().flatMap { position, node -> [VulkanTable] in
      func table(
        _ use: Use, _ count: Int, _ contents: @escaping (any WeightSource) throws -> [Float]?
      ) -> VulkanTable {
        VulkanTable(
          key: Key(node: position, use: use), name: "\(use) of node \(position)", count: count,
          contents: contents)
      }
      switch node.operation {
      case .causalAttention(let attention):
        let positions =
          attention.firstPosition + graph[attention.queryKeyValue].shape.positions
        let rotation = table(.rotation, positions * (attention.headDimension / 2) * 2) { _ in
          rotations(attention, positions: positions)
        }
        guard let earlier = attention.earlier else { return [rotation] }
        return [
          rotation,
          table(.earlier, earlier.count * earlier.keyValue.shape[1]) { source in
            _ = try source.description(of: earlier.keyValue)
            return try VulkanModel.floats(
              source.loadRows(Array(0..<earlier.count), of: earlier.keyValue.name))
          },
        ]
      case .sinusoidalEmbedding(let embedding):
        let half = embedding.channels / 2
        return [
          table(.frequencies, half) { _ in
            (0..<half).map { index in
              let exponent = -Float(log(10000.0)) * Float(index) / Float(half)
              return Float(exp(Double(exponent)))
            }
          }
        ]
      case .embeddingLookup:
        return [table(.rows, graph[node.output].shape.elementCount) { _ in nil }]
      default: return []
      }
    }
  }

  private static func rotations(_ attention: CausalAttention, positions: Int) -> [Float] {
    let half = attention.headDimension / 2
    return (0..<positions).flatMap { position in
      (0..<half).flatMap { index -> [Float] in
        let power = Double(2 * index) / Double(attention.headDimension)
        let frequency = 1 / Float(pow(attention.ropeTheta, power))
        let angle = Double(Float(position) * frequency)
        return [Float(cos(angle)), Float(sin(angle))]
      }
    }
  }
}
