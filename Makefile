# Everything a person or a machine runs here. Each target sets up what it needs.
PYTHON := .venv/bin/python

.PHONY: help run compile test check bench crash fuzz clean

help:
	@echo 'make run    a mail server of your own in ./demo, with a first message'
	@echo 'make test   all tests, after setting up what they need'
	@echo 'make compile  a quarter less CPU for the server; takes a C compiler and a minute'
	@echo 'make check  style, types, layers and documents'
	@echo 'make bench  speed beside Postfix;  make crash  power cuts;  make fuzz  hostile input'
	@echo 'make clean  remove what these made (not .venv)'

run:
	@tools/setup.sh run
	@exec $(PYTHON) tools/demo.py

compile:
	@tools/setup.sh compile
	@$(PYTHON) tools/compile.py

test:
	@tools/setup.sh test
	@$(PYTHON) tools/compile.py --if-possible
	@$(PYTHON) -m pytest

check:
	@tools/setup.sh test
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m mypy
	@.venv/bin/lint-imports
	@$(PYTHON) tools/generate_docs.py --check
	@$(PYTHON) tools/generate_coverage.py --check

bench crash:
	@tools/setup.sh test
	@$(PYTHON) tools/compile.py --if-possible
	@exec $(PYTHON) bench/$(if $(filter bench,$@),run,$@).py $(ARGS)

fuzz:
	@tools/setup.sh test
	@exec $(PYTHON) bench/fuzz.py $(ARGS)

clean:
	rm -rf demo dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests bench tools -name __pycache__ -type d -prune -exec rm -rf {} +
