# make run: set up .venv and train the default task. make test: set up .venv and run the tests.
# Other Python, folder, task:  make run PYTHON=python3.12 VENV=/tmp/venv ARGS="task=sentiment seed=1"
PYTHON ?= python3
VENV ?= .venv
ARGS ?= task=sentiment

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install --constraint constraints.txt --build-constraint constraints.txt

.PHONY: run test check clean

run: $(VENV)/.installed
	$(BIN)/python -m gptasks $(ARGS)

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n 2

check: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The pip that comes with Python may be too old to pin what builds a package, so it goes first.
$(VENV)/.pip: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "gptasks needs Python 3.11 or newer; name one: make PYTHON=python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --constraint constraints.txt --upgrade pip
	@touch $@

$(VENV)/.installed: $(VENV)/.pip pyproject.toml
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(INSTALL) --editable ".[test]"
	@touch $@

clean:
	rm -rf .venv build *.egg-info
