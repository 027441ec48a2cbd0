# Every target makes what it needs: a virtual environment in .venv, installed once and again when its recipe changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test soak bench check clean

demo: $(VENV)/.installed
	$(BIN)/onar demo

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --dist loadscope

# The long tests, which are not part of CI.
soak: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m soak

# Side-by-side timings, about ten minutes on two idle cores; writes benchmarks/results.md.
bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) onar_demo

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Onar needs Python 3.10 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[offline]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.installed
