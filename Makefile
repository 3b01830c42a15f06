# Twofold. `make help` lists everything.
PYTHON ?= python3
STUDY  ?= default
ARGS   ?=
PORT   ?= 5000

BIN   := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup setup-gpu sweep ui track selfcheck compare test lint bench parity gpu-check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with pinned versions (the other targets do it when it is missing)

$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 14) else \
	  "twofold: Python %d.%d is not supported; install 3.11, 3.12 or 3.13 and run make PYTHON=python3.12" % v)'
	@echo "making .venv: three frameworks, some minutes"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' requirements.lock)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@touch $@

setup-gpu: $(READY) ## make one CUDA environment for each framework (they cannot share CUDA libraries)
	@for pin in 's/^torch==/torch==/p' 's/^jax==/jax[cuda13]==/p' 's/^tensorflow==/tensorflow[and-cuda]==/p'; do \
	  package=$$(sed -n "$$pin" requirements.lock); environment=.venv-cuda-$${package%%[=[]*}; \
	  echo "making $$environment with $$package"; \
	  $(PYTHON) -m venv $$environment && $$environment/bin/python -m pip install --quiet \
	    --disable-pip-version-check "$$package" "$$(grep '^numpy==' requirements.lock)" || exit 1; \
	done

sweep: $(READY) ## measure a study, or go on with it: make sweep STUDY=default ARGS="key=value redo=all ..."
	@$(BIN)/python -m harness -m study=$(STUDY) $(ARGS)

ui: $(READY) ## open MLflow on 127.0.0.1 and print the links that show the results
	@$(BIN)/python -m harness.commands.ui $(PORT)

track: $(READY) ## log to MLflow every record that it does not have: make track URI=http://host:port
	@$(BIN)/python -m harness.commands.track $(URI)

selfcheck: $(READY) ## the instrument against known truth; stores the machine's noise for later intervals (minutes)
	@$(BIN)/python -m harness.selfcheck

compare: $(READY) ## faster, slower, same or cannot tell: make compare A=default/before B=default/after [FORCE=1]
	@$(BIN)/python -m harness.commands.compare "$(A)" "$(B)" $(if $(FORCE),--force)

test: $(READY) ## lint, types and all tests
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	@$(BIN)/python -m pytest -n 2 --dist loadgroup --durations=10

lint: $(READY) ## format and lint the code, check its types
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix . && $(BIN)/mypy

bench: $(READY) ## the instrument against well-known tools, side by side (minutes)
	@$(BIN)/python -m tests.bench

parity: $(READY) ## the adapters against each framework's own library: make parity ARGS="tensorflow graph resnet18"
	@$(BIN)/python -m tests.parity $(ARGS)

# With a framework's interpreter given (make gpu-check TORCH=python3 JAX=python3) nothing is installed, .venv neither.
GPU_PYTHON = $(or $(wildcard $(BIN)/python),$(PYTHON))
INTERPRETER = $(if $(2),frameworks.$(1).interpreters.cuda=$(2) frameworks.$(1).interpreters.cpu=$(2))

gpu-check: $(if $(TORCH)$(JAX)$(TENSORFLOW),,$(READY)) ## on a GPU machine, after make setup-gpu: all that only it can show (LIMIT=seconds TORCH=python ...)
	@$(GPU_PYTHON) -c 'import hydra, numpy, omegaconf, rich' || { \
	  echo "twofold: $(GPU_PYTHON) lacks a package; install hydra-core, numpy and rich, or put their wheels on PYTHONPATH" >&2; exit 2; }
	@$(GPU_PYTHON) -m harness.gpu_check $(if $(LIMIT),--limit $(LIMIT)) \
	  $(call INTERPRETER,torch,$(TORCH)) $(call INTERPRETER,jax,$(JAX)) $(call INTERPRETER,tensorflow,$(TENSORFLOW)) $(ARGS)

clean: ## remove environments and caches, not results
	rm -rf .venv .venv-cuda-* .mypy_cache .ruff_cache .pytest_cache .hypothesis
