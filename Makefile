# `make help` lists what there is. The first two install what is missing by themselves, and say what they install.

SHELL := /bin/sh
CARGO_HOME ?= $(HOME)/.cargo
CARGO_TARGET_DIR ?= target
# A toolchain from rustup goes before an older one from the distribution.
export PATH := $(CARGO_HOME)/bin:$(PATH)
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
MACHINE := $(shell uname -m)-linux

.DEFAULT_GOAL := help
.PHONY: help run test test-vm chaos fuzz-api check fmt bench release

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 10

run: ## build, then push a sample app and keep it running (ARGS=--once: stop after its first answer)
	@scripts/setup run
	@scripts/timed "build" cargo build --release --package flowline --bin flowline
	@$(CARGO_TARGET_DIR)/release/flowline demo $(ARGS)

test: ## every test, tidy included
	@scripts/setup test
	@scripts/timed "test" cargo test --workspace $(ARGS)

test-vm: ## prove it on an ordinary server: in a virtual machine, on cgroup v2, with power cuts (ARGS=power: only these)
	@scripts/setup vm
	@scripts/timed "build" cargo build --package flowline --bin flowline
	@scripts/timed "test-vm" scripts/test-vm $(CARGO_TARGET_DIR)/debug/flowline $(ARGS)

chaos: ## kill every part at random under load, and look whether anything is lost (SEED=7 KILLS=300: the same decisions again)
	@scripts/setup test
	@scripts/timed "build" cargo test --package flowline --test chaos --no-run
	@CHAOS_SEED=$(SEED) CHAOS_KILLS=$(or $(KILLS),300) scripts/timed "chaos" cargo test --package flowline --test chaos -- --nocapture

fuzz-api: ## 100,000 random requests over the published schema: none answered with 5xx (SEED=7 REQUESTS=100000)
	@scripts/setup test
	@FUZZ_SEED=$(SEED) FUZZ_REQUESTS=$(or $(REQUESTS),100000) scripts/timed "fuzz-api" cargo test --package flowline --test api_fuzz -- --nocapture

check: ## format, lints, tidy, and cargo deny where it is installed
	@scripts/setup test
	@scripts/timed "fmt" cargo fmt --all --check
	@scripts/timed "clippy" cargo clippy --workspace --all-targets -- -D warnings
	@cargo xtask tidy
	@if command -v cargo-deny >/dev/null; then scripts/timed "deny" cargo deny check bans licenses sources; \
	else echo "deny: skipped, cargo-deny is not installed (tidy checks the ban on ring)"; fi

fmt: ## format every source file
	@cargo fmt --all

bench: ## measure against the aims (ARGS="router_keep_alive dyno_start": only these; ARGS=--json)
	@scripts/setup bench
	@cargo xtask bench $(ARGS)

release: ## the optimised binary in an archive under target/
	@scripts/setup run
	@scripts/timed "build" cargo build --profile dist --package flowline --bin flowline
	@scripts/archive $(CARGO_TARGET_DIR)/dist/flowline $(CARGO_TARGET_DIR)/flowline-$(VERSION)-$(MACHINE)
