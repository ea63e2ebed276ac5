# The commands of the house. People and CI call the same ones; each installs what it needs first.
.DEFAULT_GOAL := help
.PHONY: help setup peers tools spark run test test-all soak check fix bench docs paper sbom audit update-goldens FORCE
SHELL := /bin/bash

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --retries 5 -c constraints.txt
PEERS := .venv-peers
TOOLS := .venv-tools
PINS := pyproject.toml constraints.txt
CHECKS := "ruff format --check ." "ruff check ." "mypy" "lint-imports" "python -m docs.generate --check" \
  "python -m mkdocs build" "python -m docker.licences"
# Where the site goes when its builder is no longer mended: docs/decisions/0022-site.md
export NO_MKDOCS_2_WARNING := 1

help:
	@echo "make run             set up what serving needs, serve the demonstration, print where to click"
	@echo "make test            set up, run a sample of every kind of test (two to three minutes)"
	@echo "make test-all        run every test, with coverage"
	@echo "make soak            break things around a running service for MINUTES=30; test-all does so for seconds"
	@echo "make check           format, lint, types, import contracts, freshness of the docs, their site"
	@echo "make fix             repair what ruff can repair"
	@echo "make bench           run the benchmarks, write bench/results/ and docs/results/speed.md"
	@echo "make docs            write the generated pages and the site, build/site/index.html"
	@echo "make paper           train on your copy of MIMIC-IV (configs/mimic_iv.toml), fill the paper's table"
	@echo "make update-goldens  rewrite the expected answers; review the diff"
	@echo "make sbom            write dist/readmit.cdx.json: what an image of the service installs (CycloneDX)"
	@echo "make audit           ask PyPI for known vulnerabilities of the pinned versions"
	@echo "make peers           install what tests run beside ours (HealthChain, a FHIR server) into .venv-peers"
	@echo "make tools           install what looks at docker/ and at the kept files into .venv-tools"
	@echo "make spark           install Spark (450 MB) into .venv; it needs Java 17 of the system's"
	@echo "make setup           install everything else into .venv"
	@echo "                     TORCH_INDEX=URL takes another package index for torch (CPU or CUDA build)"

setup: $(BIN)/.complete
	@echo "Ready: $$($(BIN)/python --version) in .venv, torch $$($(BIN)/python -c 'from importlib.metadata import version; print(version("torch"))')"

peers: $(PEERS)/.complete

tools: $(TOOLS)/.complete

spark: $(BIN)/.spark

run: $(BIN)/.runtime
	@$(BIN)/readmit serve --dev

test: $(BIN)/.complete
	@$(BIN)/pytest -m "not slow" -n auto

test-all: $(BIN)/.spark $(PEERS)/.complete $(TOOLS)/.complete
	@$(BIN)/pytest -m "not slow or unsampled" -n auto --cov
	@$(BIN)/pytest -m "slow and not unsampled and not load" -n auto --durations=25
	@$(BIN)/pytest -m load

MINUTES ?= 30

soak: $(BIN)/.complete
	@READMIT_SOAK_MINUTES=$(MINUTES) $(BIN)/pytest tests/soak -s -v

check: $(BIN)/.complete
	@failed=0; broken=""; for step in $(CHECKS); do \
	  echo "-- $$step"; $(BIN)/$$step || { failed=$$((failed + 1)); broken="$$broken [$$step]"; }; \
	done; \
	if [ $$failed -ne 0 ]; then echo "$$failed failed:$$broken"; exit 1; fi; echo "All checks passed."

fix: $(BIN)/.complete
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: $(BIN)/.spark $(PEERS)/.complete
	@$(BIN)/python -m bench
	@$(BIN)/python -m docs.generate

docs: $(BIN)/.complete
	@$(BIN)/python -m docs.generate
	@$(BIN)/python -m mkdocs build
	@echo "build/site/index.html"

paper: $(BIN)/.complete
	@$(BIN)/readmit-train run --config configs/mimic_iv.toml --run runs/mimic_iv --out bundles/mimic_iv
	@$(BIN)/readmit-train evaluate --ablation --config configs/mimic_iv.toml --run runs/mimic_iv
	@$(BIN)/python -m docs.paper --run runs/mimic_iv

sbom: $(BIN)/.complete $(TOOLS)/.complete
	@$(BIN)/python -m docker.sbom

# `--strict`: a version that the service does not know is a failure, not a pass.
audit: $(TOOLS)/.complete
	@$(TOOLS)/bin/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

update-goldens: $(BIN)/.complete
	@$(BIN)/pytest tests/golden --update-goldens

# Set-up in four steps, each remembered in .venv until the pins change. An interpreter is tried, not only
# looked for: version managers leave names that do not start. Where the system splits `ensurepip` off,
# the outside pip fills the environment.
$(BIN)/pip:
	@found=""; for name in python3.11 python3 python; do \
	  if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$name; break; fi; \
	done; \
	if [ -z "$$found" ]; then echo "Readmit needs Python 3.11 or later: no python3.11, python3 or python here is one." >&2; exit 1; fi; \
	echo "== 1/4 .venv with $$($$found --version)"; \
	$$found -m venv .venv 2>/dev/null || { \
	  $$found -m venv --clear --without-pip .venv && $$found -m pip --python $(BIN)/python install pip; }

ifneq ($(TORCH_INDEX),)
ifneq ($(TORCH_INDEX),$(shell cat $(BIN)/.torch 2>/dev/null))
$(BIN)/.torch: FORCE
endif
endif

$(BIN)/.torch: constraints.txt | $(BIN)/pip
	@echo "== 2/4 torch, the largest part"
	@$(PIP) setuptools
	@$(PIP) $(if $(TORCH_INDEX),--no-deps --force-reinstall --index-url "$(TORCH_INDEX)") torch
	@echo "$(TORCH_INDEX)" > $@

$(BIN)/.runtime: $(BIN)/.torch $(PINS)
	@echo "== 3/4 the service"
	@$(PIP) --no-build-isolation -e .
	@touch $@

$(BIN)/.complete: $(BIN)/.runtime
	@echo "== 4/4 training, tests and checks"
	@$(PIP) --no-build-isolation -e ".[train,test,dev,postgres,traces]"
	@touch $@

# Built from its source archive: half a minute, and room that only some of the tests need.
$(BIN)/.spark: $(BIN)/.complete
	@echo "== spark"
	@$(PIP) --no-build-isolation -e ".[spark]"
	@touch $@

# Software of other projects, apart: it would hold ours at other versions.
$(PEERS)/.complete: tests/peers.txt
$(TOOLS)/.complete: docker/tools.txt
$(PEERS)/.complete $(TOOLS)/.complete: | $(BIN)/pip
	@echo "== $(@D)"
	@$(BIN)/python -m venv $(@D) 2>/dev/null || { \
	  $(BIN)/python -m venv --clear --without-pip $(@D) && $(BIN)/python -m pip --python $(@D)/bin/python install pip; }
	@$(@D)/bin/python -m pip --disable-pip-version-check install --retries 5 -r $<
	@touch $@
