import Foundation
import TestSupport

enum FileNames {
  static func list(_ directory: TestDirectory) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory.url.path).sorted()
  }
}
