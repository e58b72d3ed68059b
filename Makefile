# `make demo` and `make test` set up a fresh Debian-like machine themselves; nothing else is needed but Swift.
BUILD := swift build -c release
BIN := .build/release
OUT := demo-output

.PHONY: setup build demo test neon fuzz format

setup:
	@Tools/setup.sh

build: setup
	$(BUILD)

# The whole way of a checkpoint: convert, quantize, draw and compare, check against PyTorch.
demo: build
	@mkdir -p $(OUT)
	$(BIN)/sana-convert Demo/sana-demo -o $(OUT)/demo.sana
	@for recipe in f16 w8a16 w8a8; do \
	  echo "$(BIN)/sana-quant $(OUT)/demo.sana --recipe $$recipe -o $(OUT)/$$recipe.sana > $(OUT)/$$recipe.txt"; \
	  $(BIN)/sana-quant $(OUT)/demo.sana --recipe $$recipe -o $(OUT)/$$recipe.sana > $(OUT)/$$recipe.txt || exit 1; \
	  tail -n 1 $(OUT)/$$recipe.txt; \
	done
	$(BIN)/sana-run $(OUT)/w8a8.sana --prompt "a red circle on a blue background" -o $(OUT)/circle.png
	$(BIN)/sana-quant verify $(OUT)/demo.sana --reference Demo/trace.h5 --precision f32
	$(BIN)/sana-demo $(OUT)/demo.sana $(OUT)/f16.sana $(OUT)/w8a16.sana $(OUT)/w8a8.sana -o $(OUT)/contact-sheet.png

test: setup neon
	swift test -c release

# The arm64 kernels, cross-compiled and emulated; says so and goes on where the means are missing.
neon:
	-@Tools/setup.sh cross
	@Tools/check_neon.sh

# Every reader for half an hour, one after the other; one of them: Fuzzing/run container 600
fuzz: setup
	for reader in safetensors torch container tokenizer tokenizer-document json; do Fuzzing/run $$reader 1800 || exit 1; done

format:
	swift format --in-place --recursive Sources Tests Fuzzing Package.swift
