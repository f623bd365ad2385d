# A person and CI type the same targets. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help up down status demo test test-core model test-crash test-faults test-install bench bench-peers image lint fmt generate check-generated clean distclean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## From nothing to a finished workflow: renders a fractal zoom, then stops everything (KEEP=1: leaves it up)
	@KEEP=$(KEEP) rig/demo

up: ## Start Igor on loopback: control plane, Postgres, Redis, operator, HTTP API, workers; writes .dev/env
	@rig/local up
	@printf '\n  . .dev/env\n  kubectl apply -f examples/hello.yaml\n  kubectl get ij,il\n  make down\n\n'

down: ## Stop it; jobs and history are kept for the next `make up`
	@rig/local down

status: ## Say what of it runs
	@rig/local status

# Optimised, and with its figures shown; a plain `cargo test` leaves it out.
MODEL = cargo test --profile model --no-default-features --test model -- --nocapture

# Most tests wait for real processes most of the time: more of them at once than there are cores. Where no machine dies, only processes,
# it is all one whether Postgres waits for the disk; a slow disk makes minutes of it. Faults and bench wait.
test test-crash: export IGOR_RIG_FSYNC ?= off

test: ## All tests, on a real control plane, Postgres and Redis
	@RUST_TEST_THREADS=$${RUST_TEST_THREADS:-6} AUDIT=1 rig/with-test-env rig/tally \
		'cargo test --no-default-features --lib' '$(MODEL)' 'cargo test --no-fail-fast' rig/rights-used

test-core: ## The pure core alone: no Kubernetes, SQL or Redis
	cargo test --no-default-features --lib

model: ## The core in an abstract world: every order of steps, thousands of seeds (SEEDS=n, SEED=n replays one)
	$(MODEL)

test-crash: ## Crash points: a tenth of them, by the day (TENTH=n; ALL=1: all of them; CRASH_AT=37:before: one, TIMES=n times)
	@rig/with-test-env cargo test --features proof --test crash

test-faults: ## Faults on real processes, and a checker (SEED=7 MINUTES=30: random mixtures, table in target/faults)
	@STATE=$${STATE:-.dev/faults} rig/with-test-env rig/tally 'cargo test --features proof --test faults'

bench: ## Igor's speed, each promise a row, on the rig (QUICK=1: counts only, two minutes; ROWS=noop,advance RUNS=5)
	@rig/with-test-env cargo bench $(if $(QUICK),--profile dev) --bench bench

bench-peers: ## The same work by Igor, River and asynq in one run; needs Go (TASKS=100000 ROUNDS=5)
	@PEERS=1 rig/with-test-env cargo bench --bench bench

image: ## Igor's image as an OCI archive in target/image, without a container engine (IMAGE=name:tag)
	@rig/image igor

test-install: ## The chart on a real node, through its life; needs root, containerd and runc, and says what is missing
	@rig/test-install

lint: ## Formatting and clippy, for each set of features
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo clippy --all-targets --features proof -- -D warnings
	cargo clippy --no-default-features --lib --tests -- -D warnings
	cargo clippy --no-default-features --features worker --lib -- -D warnings
	cargo clippy --no-default-features --features client --lib -- -D warnings

fmt: ## Format the sources
	cargo fmt

generate: ## Write crds/, its copies, docs/job-spec.md, .sqlx/ and the table of the chart's values anew
	@rig/generate

check-generated: generate ## Fail when that changes anything
	@git diff --exit-code --stat -- crds .sqlx charts/igor config/crd docs/job-spec.md
	@test -z "$$(git ls-files --others --exclude-standard -- crds .sqlx charts/igor/files config/crd)" || { git status --short -- crds .sqlx; exit 1; }

clean: ## Stop what runs here and remove its data
	@rig/local clean
	@rig/test-env down
	@rm -rf .dev

distclean: clean ## … and the build results; the tools in ~/.cache/igor stay
	@cargo clean
