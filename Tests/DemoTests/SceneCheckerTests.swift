import Foundation
import SanaEngine
import SanaGraph
import TestSupport
import Testing
import sana_demo

@Suite struct SceneCheckerTests {
  private static let side = 128

  /// The scene as it should look, with hard edges.
  private func draw(_ scene: Scene) -> RGBImage {
    let side = Self.side
    let pixels = (0..<side * side).flatMap { index -> [UInt8] in
      let (x, y) = (
        (Float(index % side) + 0.5) / Float(side), (Float(index / side) + 0.5) / Float(side)
      )
      let object = scene.objects.last { $0.form.distance(x - $0.x, y - $0.y, $0.radius) < 0 }
      let color = object?.color.components ?? scene.backgroundColor(x: x, y: y)
      return (0..<3).map { UInt8(min(max((color[$0] + 1) * 127.5, 0), 255).rounded()) }
    }
    return RGBImage(width: side, height: side, pixels: pixels)
  }

  private func check(_ picture: Scene, asIfItWere scene: Scene) -> SceneChecker.Verdict {
    SceneChecker(scene, side: Self.side).check(draw(picture))
  }

  @Test(arguments: Evaluation.cases.indices)
  func whatTheSceneLooksLikeIsRight(index: Int) {
    let scene = Evaluation.cases[index].scene
    #expect(check(scene, asIfItWere: scene).isRight, "\(Evaluation.cases[index].prompt)")
  }

  @Test func anotherFormColorPlaceOrBackgroundIsWrong() {
    let scene = Scene(.circle, .red, on: .blue)
    #expect(!check(Scene(.square, .red, on: .blue), asIfItWere: scene).form)
    #expect(!check(Scene(.circle, .green, on: .blue), asIfItWere: scene).color)
    #expect(!check(Scene(.circle, .red, on: .blue, at: (1, 0)), asIfItWere: scene).color)
    #expect(!check(Scene(.circle, .red, on: .blue, size: .large), asIfItWere: scene).form)
    #expect(!check(Scene(.circle, .red, on: .yellow), asIfItWere: scene).background)
    #expect(!check(Scene(.circle, .red, on: .blue, .checkered), asIfItWere: scene).background)
  }

  @Test func objectsThatChangedPlacesAreWrong() {
    let scene = Scene((.circle, .red), (.square, .green), .sideBySide, on: .white)
    let swapped = Scene((.square, .green), (.circle, .red), .sideBySide, on: .white)
    #expect(check(scene, asIfItWere: scene).isRight)
    #expect(!check(swapped, asIfItWere: scene).isRight)
  }

  @Test func promptsAreThoseOfTheFile() throws {
    let file = URL(filePath: Checkpoints.demo).deletingLastPathComponent()
      .appending(path: "prompts.txt")
    let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
    #expect(lines.map(String.init) == Evaluation.cases.map(\.prompt))
  }
}
