# `make run` and `make test` set up all they need on a fresh machine with a Rust toolchain.
.PHONY: run test lint unit doc bench bench-peers bench-regret setup setup-browser clean

CARGO ?= cargo
# Some Vulkan loaders complain on stderr when a machine without a session does not set it.
export XDG_RUNTIME_DIR ?= /tmp

# The main job: a real bracket under load, its stresses on the gpu, checked and compared with the processor.
run: setup
	$(CARGO) build --release --locked
	./target/release/hetero run stress --mesh examples/bracket.vtu --refine 2 --backend gpu

# Everything that a change must pass. A machine without any adapter or browser fails: their tests are not optional here.
test: setup setup-browser lint doc unit

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --all-targets --no-default-features -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps

unit: export HETERO_TEST_GPU = require
unit: export HETERO_TEST_BROWSER = require
unit:
	$(CARGO) test --locked

# Timings, with nothing else running.
bench:
	$(CARGO) bench --locked

# hetero beside what people use today, in one interleaved, pinned run. Installs the peers into a virtual environment.
bench-peers: setup
	$(CARGO) build --release --locked
	benches/peers/run.sh

# What auto costs: the end-to-end time of what it chooses beside the best, for every workload and size.
bench-regret: setup
	$(CARGO) build --release --locked
	./target/release/hetero calibrate --quiet
	$(CARGO) bench --locked --bench regret

setup:
	@command -v $(CARGO) >/dev/null || { echo "Rust is missing: install it with rustup (the stable toolchain)"; exit 1; }
	@scripts/setup-adapter.sh

# For the tests of HTML reports.
setup-browser:
	@scripts/setup-browser.sh

clean:
	$(CARGO) clean
