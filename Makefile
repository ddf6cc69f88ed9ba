# demo · test · check · dev: the same verbs here and in CI. `make` makes the virtual
# environment itself: with uv where there is one, else with venv and pip.
PYTHON ?= python3
BIN := .venv/bin
UI ?= 1

.PHONY: demo test check dev bench lock clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   load 8 cities x 7 days through a simulated vendor, then the web UI,"
	@echo "            and the city console"
	@echo "            (UI=0 make demo: the same, and leave nothing running)"
	@echo "make test   every test"
	@echo "make check  format, lint, types, contracts, definitions"
	@echo "make dev    the Dagster web UI, daemon and city console on your settings (.env)"
	@echo "make bench  how fast landing and analytics are, against peers (long; tens of GB of disk)"

demo: .venv/ready
	$(BIN)/mobility demo $(if $(filter 0,$(UI)),--no-ui,--ui)

test: .venv/ready
	$(BIN)/pytest -n 2 --dist loadgroup

check: .venv/ready
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	MOBILITY_ENV_FILE=/dev/null DAGSTER_DISABLE_TELEMETRY=1 \
	  $(BIN)/dagster definitions validate -m mobility_pipeline.definitions

dev: .venv/ready
	$(BIN)/mobility dev

bench: .venv/ready .venv-bench/ready .venv-peers/ready
	$(BIN)/python -m bench $(BENCH)

# The peers' programs; apart, since awscli brings its own botocore.
.venv-bench/ready: bench/requirements.lock
	@if command -v uv >/dev/null; then \
	  uv venv --allow-existing --quiet --python ">=3.11" .venv-bench && \
	  VIRTUAL_ENV=.venv-bench uv pip install --quiet -r $<; \
	else \
	  $(PYTHON) -m venv .venv-bench && \
	  .venv-bench/bin/pip install --quiet -r $<; \
	fi
	@touch $@

# scikit-mobility, which bench/staypoints.py compares with.
.venv-peers/ready: bench/requirements-peers.lock
	@if command -v uv >/dev/null; then \
	  uv venv --allow-existing --quiet --python 3.11 .venv-peers && \
	  VIRTUAL_ENV=.venv-peers uv pip install --quiet --no-deps -r $<; \
	else \
	  python3.11 -m venv .venv-peers && \
	  .venv-peers/bin/pip install --quiet --no-deps -r $<; \
	fi
	@touch $@

.venv/ready: requirements.lock pyproject.toml
	@if command -v uv >/dev/null; then \
	  uv venv --allow-existing --quiet --python ">=3.11" .venv && \
	  VIRTUAL_ENV=.venv uv pip install --quiet -r requirements.lock && \
	  VIRTUAL_ENV=.venv uv pip install --quiet --no-deps -e . ; \
	else \
	  $(PYTHON) -m venv .venv && \
	  $(BIN)/pip install --quiet -r requirements.lock && \
	  $(BIN)/pip install --quiet --no-deps -e . ; \
	fi
	@touch $@

lock:
	uv pip compile --universal --python-version 3.11 --extra dev --no-annotate \
	  --no-header --no-emit-index-url pyproject.toml -o requirements.lock

clean:
	rm -rf .venv .mobility .dagster
