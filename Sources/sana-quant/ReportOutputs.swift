import CommandLineSupport
import Support

/// Where a report goes: the page that is named, and its numbers beside it as JSON and CSV.
struct ReportOutputs {
  let page: String?
  let json: String?
  /// Every file of comma-separated values that is asked for.
  let csv: [String]

  /// - Throws: what `OutputFile` throws of any of them.
  init(page: String?, csv: String? = nil, reading inputs: InputFiles) throws(SanaError) {
    self.page = page
    let stem = page.map(Self.stem)
    json = stem.map { "\($0).json" }
    var tables = stem.map { ["\($0).csv"] } ?? []
    if let csv, !tables.contains(csv) { tables.append(csv) }
    self.csv = tables
    for path in [page, json].compactMap({ $0 }) + tables {
      _ = try OutputFile(path, .document, reading: inputs)
    }
  }

  private static func stem(_ page: String) -> String {
    for ending in [".html", ".htm"] where page.lowercased().hasSuffix(ending) {
      return String(page.dropLast(ending.count))
    }
    return page
  }

  /// - Throws: `.fileAccess`.
  func write(
    page html: @autoclosure () throws -> String, json value: MetadataValue,
    csv text: @autoclosure () -> String
  )
    throws
  {
    for path in csv { try ReplacementFile.write(Array(text().utf8), to: path) }
    if let json {
      try ReplacementFile.write(JSONWriter.write(value, style: .indented), to: json)
    }
    if let page { try ReplacementFile.write(Array(html().utf8), to: page) }
  }
}
