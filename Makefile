# Two commands matter: `make demo` and `make test`. Both set everything up first.
SHELL := /bin/bash
VENV := .venv
# Debian's own Python where it is new enough: other users (a Slurm job's) can run it too.
PYTHON ?= $(shell for p in /usr/bin/python3 python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := $(VENV)/bin

.PHONY: setup packages test-packages demo bench bench-load bench-scale trials test test-heavy lint fast real fuzz golden clean

setup: $(VENV)/.installed
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -P -m jobs.services.tiny_model

packages:
	@tools/apt-install prometheus prometheus-node-exporter prometheus-postgres-exporter python3-venv util-linux fio

test-packages: packages
	@tools/apt-install munge slurm-wlm slurmctld slurmd slurm-client chromium chromium-driver fonts-dejavu-core openssh-server openssh-client
	@tools/get-apptainer .apptainer || echo "no Apptainer could be had: its tests are skipped"

$(VENV)/.installed: requirements/constraints.txt requirements/triton.txt pyproject.toml | packages
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/triton.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup
	@$(BIN)/dashcam run recipes/demo.yaml

# BENCH: which, and how: `make bench BENCH="ratio --short"`. Ten minutes without.
bench: setup
	@$(BIN)/python -m benchmarks.exporters $(BENCH)

# The same for the load generator: `make bench-load BENCH="lag --short"`. Ten minutes without.
bench-load: setup
	@tools/apt-install wrk
	@$(BIN)/python -m benchmarks.loadtests $(BENCH)

# What the Prometheus of one run takes at 1,000 targets: `make bench-scale BENCH="5s --short"`. A quarter of an hour without.
bench-scale: setup
	@$(BIN)/python -m benchmarks.scale $(BENCH)

# How often a clean run is called INVALID, 160 whole runs: `make trials TRIALS="--service standin --most 240"` in goes.
trials: setup
	@$(BIN)/python -m benchmarks.trials $(TRIALS)

test: setup test-packages
	$(MAKE) lint fast real

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Tests wait most of their time, those on real programs above all: more workers than a small machine has cores.
fast:
	$(BIN)/pytest -q -n 3 -m "not real and not heavy"

real:
	$(BIN)/pytest -q -n 4 --dist loadfile -m "real and not heavy" --durations=10

# Services that are too large for every check: each in an environment of its own, since their dependencies clash.
test-heavy: setup test-packages .venv-chroma/.installed .venv-vllm/.installed
	PATH="$$PATH:$(CURDIR)/.venv-chroma/bin:$(CURDIR)/.venv-vllm/bin" $(BIN)/pytest -q -m heavy

.venv-chroma/.installed: requirements/chroma.txt
	$(PYTHON) -m venv .venv-chroma
	.venv-chroma/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/chroma.txt
	@touch $@

.venv-vllm/.installed: requirements/vllm.txt tools/vllm-metadata
	$(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/vllm.txt
	.venv-vllm/bin/python tools/vllm-metadata
	@touch $@

fuzz: setup
	DASHCAM_FUZZ=$${DASHCAM_FUZZ:-1000000} DASHCAM_FUZZ_SEED=$${DASHCAM_FUZZ_SEED:-$$RANDOM} $(BIN)/pytest -q tests/exporters/test_fuzz.py

golden: setup
	$(BIN)/pytest -q -m "not real and not heavy" --update-golden

clean:
	rm -rf $(VENV) .venv-chroma .venv-vllm build dist *.egg-info
