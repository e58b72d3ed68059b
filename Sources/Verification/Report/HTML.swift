internal import Foundation
internal import Support

/// A page that is complete in one file: no script, no font and no picture from elsewhere.
enum HTML {
  /// Text from anywhere, fit to stand between tags and in attributes.
  static func escape(_ text: String) -> String {
    text.escapingControls(keepsLines: false).reduce(into: "") { result, character in
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default: result.append(character)
      }
    }
  }

  /// - Parameters:
  ///   - title: as text.
  ///   - body: as HTML.
  static func page(title: String, body: String) -> String {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>\(escape(title))</title>
    <style>
    \(style)
    </style>
    </head>
    <body>
    <main>
    \(body)
    </main>
    </body>
    </html>

    """
  }

  static func section(_ title: String, note: String = "", _ body: String) -> String {
    let explanation = note.isEmpty ? "" : "<p class=\"note\">\(escape(note))</p>\n"
    return "<section>\n<h2>\(escape(title))</h2>\n\(explanation)\(body)\n</section>\n"
  }

  /// A table of cells that are HTML already; columns from the second on are numbers unless they are
  /// among `texts`.
  static func table(_ titles: [String], _ rows: [[String]], texts: Set<Int> = []) -> String {
    func row(_ cells: [String], _ tag: String) -> String {
      "<tr>"
        + cells.enumerated().map { column, cell in
          let isText = column == 0 || texts.contains(column)
          return "<\(tag)\(isText ? "" : " class=\"n\"")>\(cell)</\(tag)>"
        }.joined() + "</tr>"
    }
    return """
      <div class="wide"><table>
      <thead>\(row(titles.map(escape), "th"))</thead>
      <tbody>
      \(rows.map { row($0, "td") }.joined(separator: "\n"))
      </tbody>
      </table></div>
      """
  }

  private static let style = """
    :root {
      --page: #fbfbfa; --card: #ffffff; --text: #1b1d21; --soft: #62666e; --line: #dfe1e5;
      --own: #d1495b; --inherited: #2e6fb7; --thin: #2e6fb7; --ruler: #8a6d1d; --good: #22764a;
      --bad: #b3261e; --code: #f0f1f3;
    }
    @media (prefers-color-scheme: dark) {
      :root {
        --page: #15171a; --card: #1c1f23; --text: #e7e9ec; --soft: #9aa0a8; --line: #343940;
        --own: #ff7a8a; --inherited: #74b0f4; --thin: #74b0f4; --ruler: #e0bd5e; --good: #6fcf97;
        --bad: #ff8a80; --code: #272b31;
      }
    }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--page); color: var(--text);
      font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
    main { max-width: 1120px; margin: 0 auto; padding: 32px 20px 64px; }
    h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; }
    h2 { font-size: 18px; margin: 0 0 6px; }
    h3 { font-size: 15px; margin: 18px 0 2px; }
    section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
      padding: 18px 20px; margin-top: 20px; }
    .note, .caption { color: var(--soft); margin: 0 0 12px; font-size: 13.5px; }
    .caption { margin: 4px 0 0; }
    .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 12px;
      margin-top: 18px; }
    .tile { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
      padding: 12px 14px; }
    .tile b { display: block; font-size: 24px; line-height: 1.2; font-variant-numeric: tabular-nums; }
    .tile span { color: var(--soft); font-size: 13px; }
    .verdict { display: inline-block; border-radius: 999px; padding: 2px 12px; font-weight: 600;
      border: 1px solid currentColor; font-size: 14px; margin: 8px 8px 0 0; }
    .good { color: var(--good); } .bad { color: var(--bad); } .plain { color: var(--soft); }
    .wide { overflow-x: auto; }
    table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
    th, td { text-align: left; padding: 5px 12px 5px 0; border-bottom: 1px solid var(--line);
      vertical-align: top; }
    th { color: var(--soft); font-weight: 500; white-space: nowrap; }
    .n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
    code { font: 12.5px/1.4 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
      background: var(--code); border-radius: 4px; padding: 1px 5px; word-break: break-all; }
    svg { display: block; width: 100%; height: auto; }
    svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
    .grid { stroke: var(--line); stroke-width: 1; }
    .own { fill: var(--own); } .bar { fill: var(--inherited); } .inherited { fill: none; stroke: var(--inherited); stroke-width: 1.8; }
    .area { fill: var(--inherited); opacity: .13; stroke: none; }
    .thin { fill: none; stroke: var(--thin); stroke-width: 1; opacity: .35; }
    .worst { fill: none; stroke: var(--own); stroke-width: 1.6; }
    .bold { fill: none; stroke: var(--inherited); stroke-width: 2.8; }
    .ruler { stroke: var(--ruler); stroke-width: 1.4; stroke-dasharray: 5 4; fill: none; }
    svg text.ruled { fill: var(--ruler); stroke: none; }
    svg text.mark { fill: var(--text); font-weight: 600; }
    .dot { fill: var(--inherited); opacity: .75; } .dot.low { fill: var(--own); opacity: 1; }
    .band { fill: var(--inherited); opacity: .18; } .tick { stroke: var(--inherited); stroke-width: 3; }
    .key { display: flex; flex-wrap: wrap; gap: 4px 18px; color: var(--soft); font-size: 13px;
      margin: 2px 0 6px; }
    .key i { display: inline-block; width: 14px; height: 10px; border-radius: 2px; margin-right: 6px; }
    .trio { display: grid; grid-template-columns: repeat(3, 1fr); gap: 10px; }
    .trio img { width: 100%; height: auto; border-radius: 6px; display: block; background: #000;
      image-rendering: auto; }
    .trio figure { margin: 0; }
    figcaption { color: var(--soft); font-size: 12.5px; margin-top: 3px; }
    .picture { border-top: 1px solid var(--line); padding: 14px 0 4px; }
    .picture:first-of-type { border-top: 0; }
    .picture p { margin: 0 0 8px; }
    footer { color: var(--soft); font-size: 13px; margin-top: 22px; }
    """
}
