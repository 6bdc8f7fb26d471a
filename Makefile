# Everything a newcomer needs: `make demo`, `make test`. No root, no Docker, no network but the package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help setup demo run test lint bench mutants lock clean

help:
	@echo "make demo   démonstration complète : moteur, bac à sable, vrais échanges"
	@echo "make run    moteur avec pfi.yaml (ou CONFIG=autre.yaml)"
	@echo "make test   tous les contrôles et tous les tests"
	@echo "make lint   style, types, contrats d'import"
	@echo "make bench  mesure des performances (bornée, en local)"
	@echo "make mutants  chaque petite faute mise dans l'identité et le routage fait-elle échouer un test ? (long)"

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 ou plus récent est nécessaire (ici : " + sys.version.split()[0] + "). Indiquer le bon avec : make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installation des dépendances (une seule fois)..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

setup: $(READY)

demo: $(READY)
	@$(BIN)/pfi demo

CONFIG ?= pfi.yaml
run: $(READY)
	@$(BIN)/pfi run --config $(CONFIG)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadgroup --cov --cov-report=term:skip-covered --cov-fail-under=85

bench: $(READY)
	@$(BIN)/pfi bench

# Mutation testing of the rooms that decide: docs/mutation.md. Only what changed since the last run is tried again.
mutants: $(READY)
	PYTHONHASHSEED=0 nice -n 15 $(BIN)/python -m tests.mutation $(ARGS)

# Written with uv (https://docs.astral.sh/uv/); holds hashes, and no address of an index.
lock:
	uv pip compile pyproject.toml --extra sandbox --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements.lock
	uv pip compile pyproject.toml --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements-runtime.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .coverage* data out
