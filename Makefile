# `make demo` and `make test` set up all that they need: a virtual environment, the build, the packages.
# They need Python 3.11 or later, cargo and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := .stamps
RUST := $(shell find rust -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock pyproject.toml

.PHONY: demo test quick test-slow lint rust-test python-test bench wheel docs format clean

demo: $(STAMPS)/installed
	$(BIN)/featuregeom demo

test: lint rust-test python-test

# Everything that takes minutes: retraining the demo, large property runs.
test-slow: $(STAMPS)/test-packages
	$(BIN)/python -m pytest -m "slow or not slow"

lint: $(STAMPS)/test-packages
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m mypy.stubtest featuregeom._core
	$(BIN)/lint-imports --no-logo
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

# What to run while working: lints, types, and the tests of the rooms that differ from main, without a browser.
quick: $(STAMPS)/test-packages
	cargo fmt --all --check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m mypy
	@tests=$$($(BIN)/python tests/changed.py); \
		if [ -n "$$tests" ]; then $(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow and not browser" $$tests; \
		else echo "no room differs from main"; fi

# In CI the property tests draw the same examples every time, as the Python ones do: red means broken.
rust-test:
	$(if $(CI),PROPTEST_RNG_SEED=20260101) cargo test -p featuregeom-core

python-test: $(STAMPS)/test-packages $(STAMPS)/browser
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder

bench: $(STAMPS)/test-packages
	$(BIN)/python benches/compare.py

# A wheel and the source distribution, in dist/, each tried in an empty environment without a compiler. On Linux the
# wheel is for every distribution since glibc 2.17: zig, from PyPI, links it.
wheel: $(STAMPS)/wheel-tools
	$(BIN)/python tests/wheels.py build $(if $(filter Linux,$(shell uname -s)),--zig)

# The parts of the documents that come from the code.
docs: $(STAMPS)/installed
	$(BIN)/python docs/generate.py

format: $(STAMPS)/test-packages
	cargo fmt --all
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(STAMPS) target dist

$(STAMPS)/venv:
	@mkdir -p $(STAMPS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@touch $@

# Editable, so that Python sources need no reinstall; Rust sources do.
$(STAMPS)/installed: $(STAMPS)/venv $(RUST)
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(STAMPS)/test-packages: $(STAMPS)/installed
	$(BIN)/python -m pip install --quiet --group test
	$(BIN)/python -m pip install --quiet --no-deps resemblyzer
	@touch $@

$(STAMPS)/wheel-tools: $(STAMPS)/venv pyproject.toml
	$(BIN)/python -m pip install --quiet --group wheel
	@touch $@

# The page is tested in a real browser. Where there is none and Debian's packages can be had, install it;
# elsewhere those tests are skipped and say so.
$(STAMPS)/browser:
	@mkdir -p $(STAMPS)
	@if ! command -v chromedriver >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium chromium-driver >/dev/null \
			|| echo "no browser could be installed: the browser tests will be skipped"; \
	fi
	@touch $@
