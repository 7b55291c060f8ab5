# Each target works from a fresh clone: on first use it creates .venv and installs what it needs.
#   make demo    fit a synthetic person and a real photo, print where the results are
#   make test    run the test suite
#   make lint    run ruff, ruff format and pyright
#   make format  fix what ruff can fix, format the code
#   make site    build the documentation strictly into out/site; look at it with python -m http.server -d out/site
#   make bench   measure speed and memory, compare with the baseline (half an hour, on an idle machine)
#   make clean   delete .venv, out and builds
# PYTHON=/path/to/python3.x chooses the interpreter (3.10 to 3.13).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OUT ?= out/demo
BENCHMARKS := renderer growth operations body iteration fit start load folder memory against_pytorch3d observer
RESULTS ?= out/bench
SUITABLE := import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13 python3.10; do \
	if $$p -c '$(SUITABLE)' >/dev/null 2>&1; then command -v $$p; break; fi; done)

.PHONY: help demo test lint format site bench clean

help:
	@sed -n 's/^#   //p' Makefile

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "make: expected Python 3.10 to 3.13 with its venv module, found none (Debian: apt install python3-venv)." \
		     "Choose one with: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; fi
	@"$(PYTHON)" -c '$(SUITABLE)' || { echo "make: $(PYTHON) is not a Python 3.10–3.13 with venv and ensurepip" >&2; exit 1; }
	@echo "making $(VENV) with $$("$(PYTHON)" -V)"
	@"$(PYTHON)" -m venv $(VENV)

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing render-fit and its tools into $(VENV) (once; a few minutes, most of it torch)"
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -c constraints.txt -e '.[photo,dev]' \
		| while read -r word rest; do \
			case "$$word $$rest" in Collecting*) printf '  %s\n' "$${rest%% *}";; 'Installing collected'*) echo installing;; esac; done
	@touch $@

demo: $(STAMP)
	@$(BIN)/render-fit demo --out $(OUT)

test: $(STAMP)
	@$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist worksteal

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright --pythonpath $(BIN)/python

format: $(STAMP)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

site: $(STAMP)
	@NO_MKDOCS_2_WARNING=1 PYTHONPATH=. $(BIN)/python -m mkdocs build --strict --quiet
	@echo "see out/site/index.html"

bench: $(STAMP)
	@mkdir -p $(RESULTS) && rm -f $(RESULTS)/*.json
	@for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name --json $(RESULTS)/$$name.json; echo; done
	@$(BIN)/python -m benchmarks.gate $(RESULTS)

clean:
	@rm -rf $(VENV) out build dist .pytest_cache .ruff_cache
