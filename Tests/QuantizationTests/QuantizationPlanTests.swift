import Foundation
import Quantization
import Support
import TestSupport
import Testing
import WeightFormats

@Suite struct QuantizationPlanTests {
  private func targets(
    _ recipe: String, _ rules: [String] = []
  ) throws -> [String: String] {
    try QuantizationSamples.withModel { path, _ in
      let plan = try QuantizationPlan(
        ModelFile(path: path), recipe: .named(recipe),
        rules: rules.map { try QuantizationRule(parsing: $0) })
      return Dictionary(
        uniqueKeysWithValues: plan.steps.map { ($0.qualifiedName, "\($0.target)") })
    }
  }

  private let block = "transformer/transformer_blocks.0."

  @Test func w8a8FollowsThePaper() throws {
    let targets = try targets("w8a8")
    for name in [
      "attn1.to_qkv.weight", "attn2.to_q.weight", "ff.conv_inverted.weight", "ff.conv_point.weight",
    ] {
      #expect(targets[block + name] == "int8/a8", "\(name)")
    }
    for name in ["attn1.to_out.0.weight", "attn2.to_out.0.weight"] {
      #expect(targets[block + name] == "int8/a16", "\(name)")
    }
    for name in [block + "attn2.to_kv.weight", block + "ff.conv_depth.weight"] {
      #expect(targets[name] == "f16", "\(name)")
    }
    #expect(targets["transformer/patch_embed.proj.weight"] == "f16")
    #expect(targets["transformer/proj_out.weight"] == "f16")
    #expect(targets["autoencoder/decoder.conv_in.weight"] == "f16")
    #expect(targets["autoencoder/decoder.conv_out.weight"] == "f16")
    let stage = "autoencoder/decoder.up_blocks."
    #expect(targets[stage + "0.0.conv.phases.weight"] == "f16/a8")
    #expect(targets[stage + "0.1.conv1.weight"] == "f16/a8")
    #expect(targets[stage + "0.1.conv2.weight"] == "f16/a8")
    #expect(targets[stage + "3.1.attn.to_qkv.weight"] == "bf16")
    #expect(targets[stage + "3.1.conv_out.conv_inverted.weight"] == "f16/a8")
    #expect(targets[stage + "3.1.conv_out.conv_point.weight"] == "bf16")
    #expect(targets[stage + "4.1.conv_out.conv_inverted.weight"] == "bf16")
    #expect(targets[stage + "3.1.conv_out.conv_depth.weight"] == "f16")
    #expect(targets["text-encoder/embed_tokens.weight"] == "int8:32")
    for name in [
      "self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj",
    ] {
      #expect(targets["text-encoder/layers.0.\(name).weight"] == "int8/a8", "\(name)")
    }
  }

  @Test(arguments: ["f16", "bf16", "w8a16", "w8a8", "w4a16"])
  func vectorsAndTablesStayF32(_ recipe: String) throws {
    let targets = try targets(recipe)
    for name in [
      "text-encoder/layers.0.input_layernorm.weight", "transformer/scale_shift_table",
      block + "scale_shift_table", block + "attn1.to_out.0.bias",
      "autoencoder/decoder.conv_in.bias",
    ] {
      #expect(targets[name] == "f32", "\(name)")
    }
  }

  @Test func w8a16MultipliesFloatingPointActivations() throws {
    #expect(try targets("w8a16")[block + "attn1.to_qkv.weight"] == "int8")
    #expect(try targets("w4a16")[block + "attn1.to_qkv.weight"] == "int4:32")
  }

  @Test func laterRulesWinOverEarlierOnesAndOverTheRecipe() throws {
    let targets = try targets(
      "w8a8", ["attn=bf16", #"attn1\.to_qkv=int8:64"#, "^text-encoder/.*proj=int8/a8"])
    #expect(targets[block + "attn1.to_qkv.weight"] == "int8:64")
    #expect(targets[block + "attn2.to_q.weight"] == "bf16")
    #expect(targets[block + "attn1.to_out.0.bias"] == "bf16")
    #expect(targets["text-encoder/layers.0.mlp.down_proj.weight"] == "int8/a8")
  }

  @Test func tapsAreGroupsWhereTheContainerHasSuchGroups() throws {
    let targets = try targets("f16", [#"conv[12]\.|phases=int8:tap/a8"#])
    let stage = "autoencoder/decoder.up_blocks."
    #expect(targets[stage + "0.0.conv.phases.weight"] == "int8:24/a8")
    #expect(targets[stage + "0.1.conv1.weight"] == "int8:16/a8")
    #expect(targets[stage + "0.1.conv2.weight"] == "f16", "12 columns are no group")
  }

  @Test func quantizedEncodingsPassOverVectorsAndDepthwiseKernels() throws {
    let targets = try targets("f16", ["ff|bias=int8"])
    #expect(targets[block + "ff.conv_point.weight"] == "int8")
    #expect(targets[block + "ff.conv_depth.weight"] == "f16")
    #expect(targets[block + "attn1.to_out.0.bias"] == "f32")
  }

  @Test(arguments: [
    ("nothing.like.this=f16", "fits no tensor"), ("bias=int8", "fits no tensor"),
    ("(=f16", "not a regular expression"), ("attn=int7", "unknown encoding 'int7'"),
    ("attn=int8:12", "unknown encoding"), ("attn=int4", "unknown encoding"),
    ("bias=f16/a8", "fits no tensor"), ("attn=f32/a8", "unknown encoding"),
    ("attn=int8/a4", "unknown encoding"),
    ("attn=", "unknown encoding ''"), ("attn", "not of the form"), ("=f16", "not of the form"),
  ])
  func badRulesAreRefused(_ rule: String, _ words: String) {
    let error = #expect(throws: SanaError.self) { try targets("f16", [rule]) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
  }

  @Test func anUnknownRecipeNamesTheKnownOnes() {
    let error = #expect(throws: SanaError.self) { try Recipe.named("w2a2") }
    #expect(error?.code == .invalidArgument)
    for recipe in Recipe.all { #expect(error?.remedy.contains(recipe.name) == true) }
  }
}
