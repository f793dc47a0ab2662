# `make demo` and `make test` work on a fresh machine with Python >= 3.11 and nothing else prepared.
SHELL := /bin/bash
# Without bytecode each of the many processes compiles all of Airflow anew: it starts in twice the time.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= $(shell for p in python3.12 python3.13 python3.11 python3; do \
  command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$p && break; done)
BIN := .venv/bin
MINUTES ?= 10

.PHONY: help venv wheel demo test truth lint unit laws contract airflow airflow31 e2e faults soak bench clean

help:
	@echo "make demo    a real Airflow deploys a streaming job on a real Flink, three times, and checks itself"
	@echo "make test    lint, unit, laws, contract, truth, airflow, e2e and faults tests, against real services; airflow31"
	@echo "make truth   what becomes of state when a query changes: every row on both versions of Flink"
	@echo "make airflow31   the airflow tests on the oldest Airflow that we run on; no other library differs there"
	@echo "make soak    faults at random for MINUTES=n, and what was lost or doubled"
	@echo "make faults  every fault at every step, of which make test has each once; ROUNDS=n times eight deployers at once"
	@echo "make wheel   the wheel and the sdist, in dist/"
	@echo "make bench   speed as ratios, side by side in one run"

venv: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.5,<1'
	$(BIN)/uv pip install --python $(BIN)/python --constraint constraints.txt --editable '.[local,dev]'
	@touch $@

wheel: venv
	rm -rf dist
	$(BIN)/uv build --quiet --python $(BIN)/python
	@ls dist

demo: venv
	$(BIN)/python -m demo

lint: venv
	$(BIN)/ruff check airflow_provider_flinksql tests example_dags demo
	$(BIN)/mypy

unit laws contract airflow e2e: venv
	$(BIN)/python -m pytest tests/$@

faults: venv
	FAULTS=all $(BIN)/python -m pytest tests/faults

airflow31: .venv-3.1/installed
	.venv-3.1/bin/python -m pytest tests/airflow

.venv-3.1/installed: .venv/installed constraints-3.1.txt
	$(BIN)/uv venv --quiet --allow-existing --seed --python $(BIN)/python .venv-3.1
	$(BIN)/uv pip install --python .venv-3.1/bin/python --constraint constraints-3.1.txt --editable '.[local,dev]'
	@touch $@

# Each part runs whatever became of the others; faults last, when the servers of the others are gone: it needs the
# processors for itself.
test: venv .venv-3.1/installed
	@failed=; part() { echo "== $$1"; shift; "$$@" || failed="$$failed\n  $$*"; }; \
	part lint $(MAKE) --no-print-directory lint; \
	part "the oldest Airflow" .venv-3.1/bin/python -m pytest tests/airflow; \
	part "unit to e2e" $(BIN)/python -m pytest tests/unit tests/laws tests/contract tests/truth tests/airflow tests/e2e; \
	part faults $(BIN)/python -m pytest tests/faults; \
	test -z "$$failed" || { printf "These parts failed:$$failed\n" >&2; exit 1; }

truth: venv
	FLINKSQL_ALL_TRUTH=1 $(BIN)/python -m pytest tests/truth --capture=no

soak: venv
	$(BIN)/python -m tests.faults.soak --minutes $(MINUTES)

bench: venv
	$(BIN)/python -m tests.bench

clean:
	rm -rf dist .venv .venv-3.1 .mypy_cache .ruff_cache .pytest_cache .hypothesis
