# `make demo` and `make test` each do everything on a machine with nothing but Python 3.11.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export UV_PYTHON_DOWNLOADS := never

.PHONY: demo test quick long check lint types layers unit smoke notebooks bench clean

demo: $(VENV)/installed
	$(BIN)/pdejax generate experiment=ks_demo
	$(BIN)/pdejax train experiment=ks_demo
	$(BIN)/pdejax evaluate runs/ks_demo

test: check unit smoke

check: lint types layers

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-test
	$(BIN)/pyright --pythonpath $(BIN)/python

layers: $(VENV)/installed-test
	$(BIN)/lint-imports

# tests compile quickly; those of what the compiler does, as users do
unit: $(VENV)/installed-test
	$(BIN)/python -m pytest
	PDEJAX_TEST_OPTIMISED=1 $(BIN)/python -m pytest -m 'optimised and not long'

# every study asserts its claim in a short form
smoke: $(VENV)/installed-test
	$(BIN)/python -m experiments.smoke

# a few minutes, for every change; neither slow tests nor studies
quick: $(VENV)/installed-test
	$(BIN)/python -m pytest -m 'not slow and not long'

# whole matrices and longer forms of the studies, before a release; docs/long.json tells the last time
long: $(VENV)/installed-test
	$(BIN)/python -m experiments.long

# their sources are the .py files
notebooks: $(VENV)/installed-test
	$(BIN)/jupytext --to ipynb notebooks/*.py

bench: $(VENV)/installed-bench
	$(BIN)/python -m benchmarks.solvers
	$(BIN)/python -m benchmarks.elliptic
	$(BIN)/python -m benchmarks.spectral_kernel
	$(BIN)/python -m benchmarks.loop
	$(BIN)/python -m benchmarks.lsm_cost
	$(BIN)/python -m benchmarks.networks
	$(BIN)/python -m benchmarks.gaussians
	$(BIN)/python -m benchmarks.operators
	$(BIN)/python -m pytest -n 0 benchmarks/parity
	$(BIN)/python -m benchmarks.readme

# uv is quick and comes from the same registry as everything else; without it pip does the same
define install
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "pdejax needs Python 3.11 or newer")'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv || true
	if $(BIN)/python -m uv --version >/dev/null 2>&1; \
	then $(BIN)/python -m uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '$(1)'; \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '$(1)'; fi
endef

$(VENV)/installed: pyproject.toml constraints.txt
	$(call install,.)
	touch $@

$(VENV)/installed-test: pyproject.toml constraints.txt
	$(call install,.[test])
	touch $@ $(VENV)/installed

$(VENV)/installed-bench: pyproject.toml constraints.txt
	$(call install,.[test,bench,peer])
	touch $@ $(VENV)/installed-test $(VENV)/installed

clean:
	rm -rf $(VENV) runs
