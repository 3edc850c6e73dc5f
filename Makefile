# make run        set up, fetch the default model, generate inputs/briefs.csv
# make test       lint, types and the test suite
# make test-all   the same with the tests that take long
# make install    set up, and nothing else
# Needs Python 3.11 or newer, git and make; all else comes through pip into .venv.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Two at a time: tests have processes and threads of their own. By file, since a file's tests share what is slow to start.
PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder
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
run: model
	@$(BIN)/aigc run inputs/briefs.csv; code=$$?; [ $$code -eq 3 ] && exit 0 || exit $$code

.PHONY: test
test: install
	@$(MAKE) --no-print-directory -j2 lint model
	@$(BIN)/python -m pytest $(PARALLEL) $(PYTEST_ARGS)

.PHONY: test-all
test-all:
	@SLOW_TESTS=1 $(MAKE) --no-print-directory test

.PHONY: lint
lint: install
	@$(BIN)/ruff check .
	@$(BIN)/mypy

.PHONY: model
model: install
	@$(BIN)/aigc models pull

.PHONY: clean
clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
