# Twofold. `make help` lists the targets.
PYTHON ?= python3
STUDY  ?= default
ARGS   ?=
PORT   ?= 5000
CLUSTER ?=

BIN   := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup setup-gpu setup-release sweep explain show report ui track selfcheck compare test test-fast test-external lint format bench parity audit gpu-check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## create .venv with pinned versions (the other targets do so if it is missing)

# Python versions, as pyproject.toml gives them: >=3.11,<3.14.
RANGE := $(shell sed -n 's/^requires-python = "\(.*\)"/\1/p' pyproject.toml)

INSTALL := $(BIN)/python -m pip install --no-compile --quiet --disable-pip-version-check
# What a measurement imports; the rest compiles itself when it is first used.
COMPILE  = $(BIN)/python -m compileall -qq -x '/(tests|databricks|fontTools|matplotlib|pip|plotly|sklearn|transformers)/' .venv/lib

$(READY): requirements.lock
	@$(PYTHON) -c 'import re, sys; low, high = re.findall(r"3\.(\d+)", "$(RANGE)"); v = sys.version_info[:2]; \
	  sys.exit(None if (3, int(low)) <= v < (3, int(high)) else \
	  "twofold: Python %d.%d is not supported, $(RANGE) is; name one, as in make PYTHON=python3.12" % v)'
	@echo "creating .venv: three frameworks, some minutes"
	@$(PYTHON) -m venv .venv
	@$(INSTALL) --upgrade pip  # one of 2023, which Python 3.11 brings, takes half as long again
	@$(INSTALL) "$$(grep '^torch==' requirements.lock)"
	@$(COMPILE) & $(INSTALL) -r requirements.lock && wait  # what is there is compiled while pip installs the rest
	@$(COMPILE) -j 0 || true  # some files are for other Pythons
	@touch $@

setup-gpu: $(READY) ## create one CUDA environment per framework (they cannot share CUDA libraries)
	@for pin in 's/^torch==/torch==/p' 's/^jax==/jax[cuda13]==/p' 's/^tensorflow==/tensorflow[and-cuda]==/p'; do \
	  package=$$(sed -n "$$pin" requirements.lock); environment=.venv-cuda-$${package%%[=[]*}; \
	  echo "creating $$environment with $$package"; \
	  $(PYTHON) -m venv $$environment && $$environment/bin/python -m pip install --quiet \
	    --disable-pip-version-check "$$package" "$$(grep '^numpy==' requirements.lock)" || exit 1; \
	done

setup-release: ## create .venv-NAME to compare with another: make setup-release NAME=before PACKAGES="jax==0.9.2"
	@$(PYTHON) -m venv ".venv-$(or $(NAME),$(error twofold: name the environment, as in NAME=before))" && \
	  ".venv-$(NAME)/bin/python" -m pip install --quiet --disable-pip-version-check \
	  $(or $(PACKAGES),$(error twofold: say what to install, as in PACKAGES="jax==0.9.2"))

sweep: $(READY) ## measure a study, or resume it: make sweep STUDY=default ARGS="key=value redo=all ..." [CLUSTER=slurm]
	@$(BIN)/python -m harness -m study=$(STUDY) $(if $(CLUSTER),hydra/launcher=submitit_$(CLUSTER)) $(ARGS)

explain: $(READY) ## say why a ratio is what it is, op by op: make explain ARGS="model=resnet18"
	@$(BIN)/python -m harness explain=true $(ARGS)

show: $(READY) ## print the findings of the latest sweep again, or of another: make show SWEEP=study/sweep
	@$(BIN)/python -m harness.commands.show $(SWEEP)

report: $(READY) ## write the page of the latest sweep again, or of another: make report SWEEP=study/sweep
	@$(BIN)/python -m harness.commands.report $(SWEEP)

ui: $(READY) ## serve MLflow on 127.0.0.1 and print links to the results: make ui PORT=5000
	@$(BIN)/python -m harness.commands.ui $(PORT)

track: $(READY) ## log the records that MLflow lacks: make track URI=http://host:port
	@$(BIN)/python -m harness.commands.track $(URI)

selfcheck: $(READY) ## check the instrument against known truth and store this machine's noise (8 minutes)
	@$(BIN)/python -m harness.selfcheck

compare: $(READY) ## say what is faster or slower in B than in A: make compare A=default/before B=default/after [FORCE=1] [JUNIT=file] [MARKDOWN=file]
	@$(BIN)/python -m harness.commands.compare "$(A)" "$(B)" $(if $(FORCE),--force) \
	  $(if $(JUNIT),--junit "$(JUNIT)") $(if $(MARKDOWN),--markdown "$(MARKDOWN)")

# Three processes keep two cores busy: some tests wait for a lock, for a deadline or for MLflow.
PYTEST := $(BIN)/python -m pytest -n 3 --dist loadgroup
WHOLE_FRAMEWORKS := $(addprefix --ignore=tests/,adapters audit bench examples identity own parity)

test: lint ## lint, types and all tests but the external ones; or some of them: make test ARGS="tests/claims -k name"
	@$(PYTEST) -m "not external" --durations=10 $(ARGS)

test-external: $(READY) ## the tests that need a real SLURM, PostgreSQL or package index (those that are missing are skipped)
	@$(PYTEST) -m external --durations=10 $(ARGS)

test-fast: lint ## lint, types and the quick tests (3 minutes): none marked slow, none of whole frameworks
	@$(PYTEST) -m "not slow and not external" $(WHOLE_FRAMEWORKS) $(ARGS)

lint: $(READY) ## lint the code and check its format and types; changes nothing
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: $(READY) ## format the code and fix what the linter can fix
	@$(BIN)/ruff check --fix --exit-zero . && $(BIN)/ruff format .

bench: $(READY) ## measure the instrument against well-known tools, side by side (minutes)
	@$(BIN)/python -m tests.bench

parity: $(READY) ## measure the adapters against each framework's own library: make parity ARGS="tensorflow graph resnet18"
	@$(BIN)/python -m tests.parity $(ARGS)

audit: $(READY) ## ask the usual tools for the FLOPs of a backward pass, and write tests/audit/README.md
	@$(BIN)/python -m tests.audit --write tests/audit/README.md

# If a framework's interpreter is given (make gpu-check TORCH=python3 JAX=python3), nothing is installed, not even .venv.
GPU_PYTHON = $(or $(wildcard $(BIN)/python),$(PYTHON))
INTERPRETER = $(if $(2),frameworks.$(1).interpreters.cuda=$(2) frameworks.$(1).interpreters.cpu=$(2))

gpu-check: $(if $(TORCH)$(JAX)$(TENSORFLOW),,$(READY)) ## check what only a GPU can show; needs make setup-gpu (LIMIT=seconds TORCH=python ...)
	@$(GPU_PYTHON) -c 'import hydra, numpy, omegaconf, psutil, pydantic, pynvml, rich, scipy' || { \
	  echo "twofold: $(GPU_PYTHON) lacks a package; install hydra-core, numpy, nvidia-ml-py, psutil, pydantic, rich and scipy, or put their wheels on PYTHONPATH" >&2; exit 2; }
	@$(GPU_PYTHON) -m harness.gpu_check $(if $(LIMIT),--limit $(LIMIT)) \
	  $(call INTERPRETER,torch,$(TORCH)) $(call INTERPRETER,jax,$(JAX)) $(call INTERPRETER,tensorflow,$(TENSORFLOW)) $(ARGS)

clean: ## remove environments and caches, but no results
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis
