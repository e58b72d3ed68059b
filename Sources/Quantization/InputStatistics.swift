public import WeightFormats

/// What a model's products multiply, gathered while the model drew pictures.
public protocol InputStatistics: Sendable {
  /// What is known of the input of the products with a weight; `nil` where nothing was gathered.
  /// - Throws: what reading throws.
  func sample(of weight: String, in component: ComponentKind) throws -> InputSample?
}

/// Some rows of the input of a product, and what all of its rows had in common.
public struct InputSample: Sendable {
  public let columns: Int
  /// `[rowCount, columns]`: rows as they were, taken evenly from all that were seen.
  public let rows: [Float]
  /// The greatest magnitude of each column in all rows that were seen.
  public let maxima: [Float]
  /// The mean square of each column in all rows that were seen.
  public let meanSquares: [Float]
  /// How many rows were seen.
  public let seenRows: Int

  public var rowCount: Int { columns > 0 ? rows.count / columns : 0 }

  /// - Precondition: the arrays have the lengths that `columns` asks for.
  public init(
    columns: Int, rows: [Float], maxima: [Float], meanSquares: [Float], seenRows: Int
  ) {
    precondition(maxima.count == columns && meanSquares.count == columns)
    precondition(rows.isEmpty || rows.count % columns == 0)
    self.columns = columns
    self.rows = rows
    self.maxima = maxima
    self.meanSquares = meanSquares
    self.seenRows = seenRows
  }
}
