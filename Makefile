# `make demo` and `make test` set up a fresh Debian-like machine themselves; nothing else is needed but Swift.
BUILD := swift build -c release

.PHONY: setup build demo test format

setup:
	@Tools/setup.sh

build: setup
	$(BUILD)

test: setup
	swift test -c release

format:
	swift format --in-place --recursive Sources Tests Package.swift
