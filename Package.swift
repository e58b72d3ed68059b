// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]
let strictC: [CSetting] = [.treatAllWarnings(as: .error)]

let argumentParser: Target.Dependency = .product(
  name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "sana-toolchain",
  products: [
    .library(name: "Support", targets: ["Support"]),
    .library(name: "WeightFormats", targets: ["WeightFormats"]),
    .library(name: "Quantization", targets: ["Quantization"]),
    .library(name: "SanaEngine", targets: ["SanaEngine"]),
    .library(name: "Traces", targets: ["Traces"]),
    .executable(name: "sana-convert", targets: ["sana-convert"]),
    .executable(name: "sana-quant", targets: ["sana-quant"]),
    .executable(name: "sana-run", targets: ["sana-run"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0")
  ],
  targets: [
    // Shims to system libraries, nothing else.
    .systemLibrary(
      name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
    .systemLibrary(
      name: "CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
    .target(name: "CXXHash", cSettings: strictC),
    .target(
      name: "CPNG", cSettings: strictC, linkerSettings: [.linkedLibrary("png")]),
    .target(
      name: "CSentencePiece", linkerSettings: [.linkedLibrary("sentencepiece")]),
    // Turns what the process cannot survive, a mapped file that goes away or memory that is
    // refused, into one line.
    .target(name: "CFaults", cSettings: strictC),
    // Vulkan, opened when it is asked for: nothing links to it.
    .target(
      name: "CVulkan", cSettings: strictC,
      linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),

    // The rooms.
    .target(name: "CKernels", cSettings: strictC),
    // Below everything that is written in Swift: nothing in it knows a weight.
    .target(name: "Support", dependencies: ["CKernels"], swiftSettings: strict),
    .target(
      name: "WeightFormats", dependencies: ["Support", "CKernels", "CLZ4", "CXXHash"],
      swiftSettings: strict),
    .target(
      name: "Quantization", dependencies: ["Support", "WeightFormats", "CKernels"],
      swiftSettings: strict),
    // The engine, a target for each of its rooms, so that the compiler keeps the walls.
    .target(
      name: "SanaGraph", dependencies: ["Support", "WeightFormats"],
      path: "Sources/SanaEngine/Graph",
      swiftSettings: strict),
    .target(
      name: "SanaModels", dependencies: ["SanaGraph", "WeightFormats"],
      path: "Sources/SanaEngine/Models", swiftSettings: strict),
    // The definition of every operation: for tests, not in any tool.
    .target(
      name: "ReferenceBackend", dependencies: ["SanaGraph", "Support", "WeightFormats"],
      path: "Sources/SanaEngine/Backends/Reference", swiftSettings: strict),
    .target(
      name: "CPUBackend", dependencies: ["SanaGraph", "Support", "WeightFormats", "CKernels"],
      path: "Sources/SanaEngine/Backends/CPU", swiftSettings: strict),
    // The kernels of the Vulkan back end; Tools/build_shaders.sh makes modules.c of their sources.
    .target(name: "CVulkanShaders", exclude: ["shaders"], cSettings: strictC),
    .target(
      name: "VulkanBackend",
      dependencies: ["SanaGraph", "Support", "WeightFormats", "CVulkan", "CVulkanShaders"],
      path: "Sources/SanaEngine/Backends/Vulkan", swiftSettings: strict),
    .target(
      name: "SanaEngine",
      dependencies: [
        "SanaGraph", "SanaModels", "CPUBackend", "VulkanBackend", "Support", "WeightFormats",
        "CPNG",
        "CSentencePiece",
      ],
      exclude: ["Graph", "Models", "Backends"], swiftSettings: strict),
    .target(
      name: "Traces", dependencies: ["CHDF5", "Support"], swiftSettings: strict),
    .target(
      name: "Verification",
      dependencies: [
        "SanaEngine", "SanaGraph", "SanaModels", "Traces", "Support", "WeightFormats",
      ],
      swiftSettings: strict),
    .target(
      name: "Calibration",
      dependencies: [
        "SanaEngine", "SanaGraph", "SanaModels", "Quantization", "Traces", "Support",
        "WeightFormats", "CKernels",
      ],
      swiftSettings: strict),
    .target(
      name: "CommandLineSupport",
      dependencies: ["CFaults", "Support", "WeightFormats", argumentParser],
      swiftSettings: strict),
    .target(
      name: "EngineArguments",
      dependencies: ["SanaEngine", "SanaGraph", "Support", "CommandLineSupport", argumentParser],
      swiftSettings: strict),

    // The tools.
    .executableTarget(
      name: "sana-convert",
      dependencies: ["Support", "WeightFormats", "CommandLineSupport", argumentParser],
      swiftSettings: strict),
    .executableTarget(
      name: "sana-quant",
      dependencies: [
        "Support", "WeightFormats", "Quantization", "SanaEngine", "SanaGraph", "CPUBackend",
        "Traces", "Verification", "Calibration", "CommandLineSupport", "EngineArguments",
        argumentParser,
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "sana-run",
      dependencies: [
        "Support", "SanaEngine", "SanaGraph", "CPUBackend", "CommandLineSupport", "EngineArguments",
        argumentParser,
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "sana-demo",
      dependencies: ["Support", "SanaEngine", "SanaGraph", "CommandLineSupport", argumentParser],
      swiftSettings: strict),

    // Measures the CPU kernels: swift run -c release kernel-bench
    .executableTarget(
      name: "kernel-bench",
      dependencies: [
        "CKernels", "CPUBackend", "SanaEngine", "SanaGraph", "Support", "WeightFormats",
        argumentParser,
      ],
      path: "Benchmarks/kernel-bench", swiftSettings: strict),
    // Measures the container and the quantizer: swift run -c release container-bench <directory>
    .executableTarget(
      name: "container-bench",
      dependencies: [
        "CKernels", "Support", "WeightFormats", "Quantization", "CommandLineSupport",
        argumentParser,
      ],
      path: "Benchmarks/container-bench", swiftSettings: strict),

    // Tests.
    .target(
      name: "TestSupport",
      dependencies: [
        "CKernels", "CXXHash", "Support", "WeightFormats", "SanaEngine", "SanaGraph", "Traces",
      ],
      path: "Tests/TestSupport", swiftSettings: strict),
    .testTarget(
      name: "SupportTests", dependencies: ["Support", "CKernels", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "WeightFormatsTests",
      dependencies: ["Support", "WeightFormats", "CKernels", "CXXHash", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "QuantizationTests",
      dependencies: ["Quantization", "Support", "WeightFormats", "CKernels", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "KernelTests",
      dependencies: [
        "Support", "WeightFormats", "CKernels", "SanaEngine", "SanaGraph", "SanaModels",
        "CPUBackend", "ReferenceBackend", "VulkanBackend", "TestSupport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "VulkanTests",
      dependencies: [
        "VulkanBackend", "CVulkanShaders", "ReferenceBackend", "SanaEngine", "SanaGraph", "Support",
        "WeightFormats", "TestSupport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "SanaEngineTests",
      dependencies: [
        "SanaEngine", "SanaGraph", "SanaModels", "CPUBackend", "ReferenceBackend", "Quantization",
        "Support", "WeightFormats", "Traces", "TestSupport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "TracesTests", dependencies: ["Traces", "Support", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "VerificationTests",
      dependencies: [
        "Verification", "SanaEngine", "SanaGraph", "CPUBackend", "ReferenceBackend", "Traces",
        "Support", "WeightFormats", "TestSupport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "CalibrationTests",
      dependencies: [
        "Calibration", "Quantization", "SanaEngine", "SanaGraph", "SanaModels", "CPUBackend",
        "ReferenceBackend", "Traces", "Support", "WeightFormats", "TestSupport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "DemoTests", dependencies: ["sana-demo", "SanaEngine", "SanaGraph", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "CommandLineTests",
      dependencies: [
        "Support", "WeightFormats", "CommandLineSupport", "TestSupport", "sana-convert",
        "sana-quant", "sana-run", "sana-demo",
      ],
      swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c17,
  cxxLanguageStandard: .cxx17
)

// The fuzzers, which need a sanitizer's flags everywhere: Fuzzing/run sets both.
if Context.environment["SANA_FUZZING"] != nil {
  package.targets += [
    .systemLibrary(name: "CLibFuzzer", path: "Fuzzing/CLibFuzzer"),
    .executableTarget(
      name: "sana-fuzz",
      dependencies: [
        "CLibFuzzer", "CKernels", "CLZ4", "CXXHash", "Support", "WeightFormats", "SanaEngine",
        "SanaGraph",
        "TestSupport",
      ],
      path: "Fuzzing/sana-fuzz", swiftSettings: strict),
  ]
}
