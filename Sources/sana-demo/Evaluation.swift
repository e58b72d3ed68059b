/// The demo's 20 prompts and what a right picture shows. No training picture had one of these objects on its background.
package enum Evaluation {
  package struct Case {
    package let prompt: String
    package let scene: Scene

    init(_ prompt: String, _ scene: Scene) {
      self.prompt = prompt
      self.scene = scene
    }
  }

  package static let cases: [Case] = [
    Case(
      "a large red circle on a blue background",
      Scene(.circle, .red, on: .blue, size: .large)),
    Case(
      "a small yellow star, top left, green striped background",
      Scene(.star, .yellow, on: .green, .striped, size: .small, at: (-1, -1))),
    Case(
      "a red circle left of a blue square on a white background",
      Scene((.circle, .red), (.square, .blue), .sideBySide, on: .white)),
    Case(
      "a green triangle on a yellow background",
      Scene(.triangle, .green, on: .yellow)),
    Case(
      "a big pink heart on a black background",
      Scene(.heart, .pink, on: .black, size: .large)),
    Case(
      "an orange ring on a purple background",
      Scene(.ring, .orange, on: .purple)),
    Case(
      "a white cross on a red background",
      Scene(.cross, .white, on: .red)),
    Case(
      "a large purple diamond on an orange checkered background",
      Scene(.diamond, .purple, on: .orange, .checkered, size: .large)),
    Case(
      "a blue square on the right, pink background",
      Scene(.square, .blue, on: .pink, at: (1, 0))),
    Case(
      "a yellow star above a white circle on a black background",
      Scene((.star, .yellow), (.circle, .white), .stacked, on: .black)),
    Case(
      "a small black square at the bottom on a yellow background",
      Scene(.square, .black, on: .yellow, size: .small, at: (0, 1))),
    Case(
      "a large green heart on a pink gradient background",
      Scene(.heart, .green, on: .pink, .gradient, size: .large)),
    Case(
      "a red triangle at the top on a white background",
      Scene(.triangle, .red, on: .white, at: (0, -1))),
    Case(
      "a purple ring on the left, green background",
      Scene(.ring, .purple, on: .green, at: (-1, 0))),
    Case(
      "a large orange star on a blue striped background",
      Scene(.star, .orange, on: .blue, .striped, size: .large)),
    Case(
      "a pink diamond and a green cross on a black background",
      Scene((.diamond, .pink), (.cross, .green), .sideBySide, on: .black)),
    Case(
      "a small white circle in the bottom right corner on a purple background",
      Scene(.circle, .white, on: .purple, size: .small, at: (1, 1))),
    Case(
      "a black cross on a red gradient background",
      Scene(.cross, .black, on: .red, .gradient)),
    Case(
      "a blue heart below a red ring on a yellow background",
      Scene((.ring, .red), (.heart, .blue), .stacked, on: .yellow)),
    Case(
      "a big yellow triangle with a purple checkered background",
      Scene(.triangle, .yellow, on: .purple, .checkered, size: .large)),
  ]
}
