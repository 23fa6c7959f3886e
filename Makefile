# What can be done in a checkout. Needs only make, python3 (3.11 or newer) and its venv module; the rest comes from PyPI.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL: # one virtual environment: two installations into it must not overlap
.SUFFIXES:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
FOR_DEMO := $(VENV)/.installed-demo
FOR_DEVELOPMENT := $(VENV)/.installed-dev

# Tests run in so many processes at once, each file in one of them; each has a PostgreSQL and a JupyterLab of its own.
JOBS := $(shell n=$$(nproc); echo $$((n < 4 ? n : 4)))

.PHONY: help demo test races lint docs notebooks bench clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(FOR_DEMO) ## Run the tutorial from push to lineage on a server of its own
	@$(BIN)/python notebooks/tutorial/demo.py

test: $(FOR_DEVELOPMENT) ## Run every test (as root: installs the Debian packages they need)
	@bash tests/install-system-packages.sh
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(TESTS)

RACES := 3000
RACE :=

races: $(FOR_DEVELOPMENT) ## Play thousands of races in virtual time (RACES=N; RACE=SEED: one of them again)
	@PYTHONHASHSEED=0 KNIT_RACES=$(RACES) KNIT_RACE=$(RACE) $(BIN)/python -m pytest tests/knit_server/scheduler/test_races.py

lint: $(FOR_DEVELOPMENT) ## Check style, types, the direction of imports and generated documents
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@if [ -f knit_cli/reference.py ]; then $(BIN)/python -m knit_cli.reference --check; fi
	@$(BIN)/python tests/docs/generate.py --check
	@$(BIN)/python tests/docs/notebooks.py --check

docs: $(FOR_DEVELOPMENT) ## Write the generated parts of the documents anew
	@$(BIN)/python -m knit_cli.reference
	@$(BIN)/python tests/docs/generate.py

notebooks: $(FOR_DEVELOPMENT) ## Take outputs out of the notebooks, and show those that have changed in docs/notebooks
	@$(BIN)/python tests/docs/notebooks.py

bench: $(FOR_DEVELOPMENT) ## Measure what the documents state in figures
	@$(BIN)/python tests/benchmarks/run.py

clean: ## Remove everything that is made by these targets, .venv and .knit-demo included
	@rm -rf $(VENV) .knit-demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .bench build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than pyproject.toml once everything that it names is installed.
$(FOR_DEMO): EXTRAS := server,demo
$(FOR_DEVELOPMENT): EXTRAS := dev
$(FOR_DEMO) $(FOR_DEVELOPMENT): pyproject.toml | $(BIN)/pip
	@echo "Installing Knit and its libraries [$(EXTRAS)] into $(VENV); the first time this takes a minute or two."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
	@touch $@

# pip is what venv installs last: where it is missing, an earlier attempt was cut off and is made again.
# The newest Python that can make one is taken: Debian's python3 comes without ensurepip until python3-venv is installed.
$(BIN)/pip:
	@too_old=""; without_venv=""; \
	for python in python3.14 python3.13 python3.12 python3.11 python3; do \
	  version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
	  if ! $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then too_old="$$version"; continue; fi; \
	  if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then without_venv="$${without_venv:-$$python}"; continue; fi; \
	  echo "Making $(VENV) with $$(command -v $$python) ($$version)."; \
	  $$python -m venv --clear $(VENV); \
	  exit 0; \
	done; \
	if [ -n "$$without_venv" ]; then \
	  echo "$$without_venv cannot make virtual environments: on Debian and Ubuntu, apt install $$without_venv-venv" >&2; \
	elif [ -n "$$too_old" ]; then \
	  echo "Knit needs Python 3.11 or newer; the newest here is $$too_old." >&2; \
	else \
	  echo "Knit needs Python 3.11 or newer; there is no python3 here: on Debian and Ubuntu, apt install python3 python3-venv" >&2; \
	fi; \
	exit 1
