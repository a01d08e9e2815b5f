# Every verb sets up .venv by itself; a second call finds it ready.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH := .venv-bench
READY := $(VENV)/.ready
SOURCES := solver service clients tests examples benchmarks docs
PORT ?= 8000
# Two processes share the tests; threads of libraries beside them would only wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help install demo gallery test test-seeds check audit format serve bench clean

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

install: $(READY) ## set up .venv with everything for development

$(READY): pyproject.toml solver/equipoise_solver/version.py
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Python {v[0]}.{v[1]} found, 3.11 to 3.13 needed: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV) (once; a few minutes on a slow line) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(READY)

demo: $(READY) ## the main job on real data: start the service, compare SGD with its law, draw the picture, stop
	@$(BIN)/python -m examples.diabetes

gallery: $(READY) ## the figures of the papers: solve, draw, write docs/gallery.md (NAME=tails for one)
	@$(BIN)/python -m examples.gallery $(NAME)

test: $(READY) ## run all tests
	@$(PYTEST)

test-seeds: $(READY) ## run the statistical tests again with other seeds (SEED=n)
	@$(PYTEST) tests/solver --seed $(or $(SEED),1)

check: $(READY) ## format, lint, strict types and known weaknesses, changing nothing
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/mypy solver/equipoise_solver service/equipoise_service clients/equipoise tests examples benchmarks docs
	@$(BIN)/bandit --quiet --recursive --configfile pyproject.toml solver service clients 2>$(VENV)/bandit.log || { cat $(VENV)/bandit.log >&2; exit 1; }
	@$(BIN)/python -m tests.security.audit

audit: $(READY) ## compare the installed packages with the lists of known vulnerabilities (needs the internet)
	@$(BIN)/python -m tests.security.audit --required

format: $(READY) ## format and mend what can be mended
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix $(SOURCES)

serve: $(READY) ## the service on this machine, API and one worker (PORT=8000)
	@$(BIN)/equipoise serve --port $(PORT)

bench: $(BENCH)/.ready ## measure speed against named peers, write benchmarks/*.md (QUICK=1: only try it)
	@$(BENCH)/bin/python -m benchmarks.run $(if $(QUICK),--quick)
	@$(BENCH)/bin/python -m benchmarks.networks $(if $(QUICK),--quick)
	@$(BENCH)/bin/python -m benchmarks.service $(if $(QUICK),--quick)

$(BENCH)/.ready: pyproject.toml
	@test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	@echo '*' > $(BENCH)/.gitignore
	@echo "Setting up $(BENCH) with the peers (once) ..."
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[service]'
	-@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $(BENCH)/.ready

clean: ## remove .venv, caches and what the demo made
	rm -rf $(VENV) $(BENCH) demo equipoise-data dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
