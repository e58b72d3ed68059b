import SanaEngine
import SanaGraph
import SanaModels
import TestSupport
import Testing
import Traces

/// The whole text encoder against PyTorch's traces, on the tokens that exist.
@Suite struct TextEncoderParityTests {
  @Test(arguments: TestedBackend.allCases, RecordedNetwork.names)
  func everyHiddenState(backend: TestedBackend, name: String) throws {
    for network in try RecordedNetwork.all(name) {
      guard let (configuration, model) = try network.load(.textEncoder, on: backend),
        case .textEncoder(let configuration) = configuration
      else { continue }
      for path in try network.cases {
        for side in ["positive", "negative"] where network.trace.contains("\(path)/text/\(side)") {
          try check(network, GemmaEncoder(configuration), model, "\(path)/text", side)
        }
      }
    }
  }

  private func check(
    _ network: RecordedNetwork, _ encoder: GemmaEncoder, _ model: any ResidentModel,
    _ path: String, _ side: String
  ) throws {
    let trace = network.trace
    let identifiers = try trace.int32("\(path)/\(side)/input_ids")
    let counts = try trace.int32("\(path)/\(side)/attention_mask").tokenCounts
    let tokens = counts.max() ?? 0
    let built = encoder.graph(tokens: tokens, batch: counts.count)
    let executable = try model.prepare(built.graph)
    executable.write(
      HostTensor(
        .tokens(batch: counts.count, count: tokens, channels: 1),
        integers: counts.indices.flatMap { identifiers[$0].values.prefix(tokens) }),
      to: built.inputIdentifiers)

    var states: [HostTensor] = []
    try executable.run { name, tensor in
      if name.hasPrefix("hidden_states.") { states.append(tensor) }
    }
    #expect(states.count == encoder.configuration.layers + 1)
    if trace.contains("\(path)/\(side)/hidden_states") {
      let recorded = try trace.floats("\(path)/\(side)/hidden_states")
      for (index, state) in states.enumerated() {
        let comparison = try Comparison(
          recorded: recorded[index], result: state, tokenCounts: counts)
        #expect(
          comparison.signalToNoiseDecibels >= RecordedNetwork.minimumDecibels,
          "\(network.name) \(path)/\(side)/hidden_states.\(index)")
      }
    }

    let last = executable.read(built.lastHiddenState)
    if trace.contains("\(path)/\(side)/last_hidden_state") {
      try network.check(last, "\(path)/\(side)/last_hidden_state", tokenCounts: counts)
    }
    // The first row and the last 299 of the padded sequence; a negative prompt has no more than those.
    let selected = side == "negative" ? "negative_prompt" : "prompt"
    let selectedCounts = try trace.int32("\(path)/\(selected)_attention_mask").tokenCounts
    let embeddings = try network.recorded("\(path)/\(selected)_embeds")
    let skipped = identifiers.shape[1] - embeddings.shape.positions
    for (element, count) in selectedCounts.enumerated() {
      let width = last.shape.channels
      let rows = [0] + (1..<count).map { $0 + skipped }
      let result = rows.flatMap { row in
        let start = (element * tokens + row) * width
        return last.values[start..<start + width]
      }
      let start = element * embeddings.shape.positions * width
      let comparison = try Comparison(
        reference: Array(embeddings.values[start..<start + count * width]), result: result)
      #expect(
        comparison.signalToNoiseDecibels >= RecordedNetwork.minimumDecibels,
        "\(network.name) \(path)/\(selected)_embeds")
    }
  }
}
