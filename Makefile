# `make` lists what there is. Set-up comes by itself; PYTHON=/path/to/python3.11 chooses the interpreter, OPS=compiled
# has MMCV's operators compiled and OPS=none undoes it.
PY := .venv/bin/python
SOURCES := $(wildcard mmpersonsearch configs tools tests projects)
export PYTHON OPS

.DEFAULT_GOAL := help
.PHONY: help setup demo test slow coverage docs lint types format clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## virtual environment .venv with pinned packages (1 to 3 minutes once); OPS=compiled compiles MMCV's operators
	@tools/setup.sh

demo: setup ## train and test on the synthetic set, results in work_dirs/demo (it says how long it takes; resumes where it stopped)
	@$(PY) tools/demo.py

# A process takes about 2 GiB.
test: setup ## run the tests, one process a core, at most four
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n auto --maxprocesses 4 --dist worksteal

slow: setup ## run the slow tests: notebooks, recipes of the documentation (5 to 30 minutes)
	@OMP_NUM_THREADS=1 $(PY) -m pytest -m slow --durations=0

coverage: setup ## run the tests, print which lines of the package they leave out (goal: 95%)
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n auto --maxprocesses 4 --dist worksteal --cov --cov-report=term-missing:skip-covered

docs: setup ## build the documentation into site/, strictly: links, anchors and names are checked
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build

lint: setup ## check style, spelling, YAML and sizes of files
	@$(PY) -m ruff check $(SOURCES)
	@$(PY) -m ruff format --check $(SOURCES)
	@$(PY) -m codespell_lib
	@$(PY) tools/check_files.py

types: setup ## check types (pyright, with the node of its wheel)
	@$(PY) -m pyright --pythonpath $(PY)

format: setup ## repair style
	@$(PY) -m ruff check --fix $(SOURCES)
	@$(PY) -m ruff format $(SOURCES)

clean: ## remove the demo's results; .venv stays
	rm -rf work_dirs/demo
