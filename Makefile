# make run    set up, fetch the default model, generate inputs/briefs.csv
# make test   lint, types and the test suite
# Needs Python 3.11 or newer, git and make; all else comes through pip into .venv.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
.DEFAULT_GOAL := help

.PHONY: help
help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

$(STAMP): pyproject.toml constraints.txt scripts/make_venv
	@sh scripts/make_venv $(VENV)
	@touch $(STAMP)

.PHONY: install
install: $(STAMP)

.PHONY: run
run: install
	@$(BIN)/aigc models pull
	@$(BIN)/aigc run inputs/briefs.csv; code=$$?; [ $$code -eq 3 ] && exit 0 || exit $$code

.PHONY: test
test: install
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/aigc models pull
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

.PHONY: lint
lint: install
	@$(BIN)/ruff check .
	@$(BIN)/mypy

.PHONY: clean
clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
