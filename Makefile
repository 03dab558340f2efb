# `make demo` and `make test` each do everything on a machine with nothing but a Python that pdejax is tested with.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export UV_PYTHON_DOWNLOADS := never
# dozens of processes read what the first of them has compiled, also in a container that sets this
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test quick long check lint types layers optimised unit smoke notebooks bench interop clean

demo: $(VENV)/installed
	$(BIN)/pdejax generate experiment=ks_demo
	$(BIN)/pdejax train experiment=ks_demo
	$(BIN)/pdejax evaluate runs/ks_demo
	@echo 'To go on by hand: `source $(BIN)/activate`, then `pdejax list`.'

test: check unit smoke

# side by side: each of them has one core
check: $(VENV)/installed-test
	$(MAKE) --no-print-directory -j 3 types lint layers optimised

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-test
	$(BIN)/pyright --pythonpath $(BIN)/python

layers: $(VENV)/installed-test
	$(BIN)/lint-imports

# files that hold some; the others need not be read a second time
OPTIMISED = $(shell grep -rlE 'mark\.optimised' tests --include='test_*.py')

# tests compile quickly; those of what the compiler does, as users do
unit: $(VENV)/installed-test
	$(BIN)/python -m pytest

optimised: $(VENV)/installed-test
	PDEJAX_TEST_OPTIMISED=1 $(BIN)/python -m pytest -n 0 -m 'optimised and not long' $(OPTIMISED)

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

# The Well's loader, in an environment of its own: it needs another fsspec than ours
WELL := .venv-well

bench: $(VENV)/installed-bench $(WELL)/installed
	$(BIN)/python -m benchmarks.solvers
	$(BIN)/python -m benchmarks.elliptic
	$(BIN)/python -m benchmarks.volumes
	$(BIN)/python -m benchmarks.spectral_kernel
	$(BIN)/python -m benchmarks.loop
	$(BIN)/python -m benchmarks.lsm_cost
	$(BIN)/python -m benchmarks.networks
	$(BIN)/python -m benchmarks.gaussians
	$(BIN)/python -m benchmarks.operators
	WELL=$(WELL)/bin/python $(BIN)/python -m pytest -n 0 benchmarks/parity
	$(BIN)/python -m experiments._kit.render

.PHONY: results lock

# what README and docs/results.md say, from the results files
results: $(VENV)/installed
	$(BIN)/python -m experiments._kit.render

# the versions of everything, for each Python; `make lock UPGRADE=--upgrade` takes the newest
lock: COMPILE := --quiet --universal --python-version 3.11 --no-header --no-annotate
lock: $(VENV)/installed
	$(BIN)/python -m uv pip compile $(COMPILE) --all-extras $(UPGRADE) pyproject.toml -o constraints.txt
	$(BIN)/python -m uv pip compile $(COMPILE) --override tests/interop/overrides.txt $(UPGRADE) \
	  tests/interop/requirements.in pyproject.toml -o constraints-interop.txt

# the interpreter asked for, from the path or from pyenv; another one only where none was asked for
PYENV := $(wildcard $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions/*/bin/$(PYTHON))
CANDIDATES := $(PYTHON) $(lastword $(PYENV)) $(if $(filter file,$(origin PYTHON)),python3)
MADE := $(VENV)/made-for-$(notdir $(PYTHON))

$(MADE):
	@for p in $(CANDIDATES); do \
	  if $$p -c 'import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then python=$$p; break; fi; \
	done; \
	test -n "$$python" || { echo "no $(PYTHON) here: pdejax runs on Python 3.11, 3.12 and 3.13" >&2; exit 1; }; \
	test "$$($(BIN)/python -V 2>/dev/null)" = "$$($$python -V)" || $$python -m venv --clear $(VENV)
	@rm -f $(VENV)/made-for-*
	@touch $@

EXTRAS :=
# uv is quick and comes from the same registry as everything else; without it pip does the same
$(VENV)/installed-test: EXTRAS := [test]
$(VENV)/installed-bench: EXTRAS := [test,bench,peer]
$(VENV)/installed $(VENV)/installed-test $(VENV)/installed-bench: $(MADE) pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv || true
	if $(BIN)/python -m uv --version >/dev/null 2>&1; \
	then $(BIN)/python -m uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.$(EXTRAS)'; \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.$(EXTRAS)'; fi
	touch $@ $(VENV)/installed $(if $(findstring test,$(EXTRAS)),$(VENV)/installed-test)

# other people's formats, by packages whose pins exclude ours: an environment of their own, listed whole
INTEROP := .venv-interop

interop: $(INTEROP)/installed
	$(INTEROP)/bin/python -m pytest -n 0 -m 'not long' tests/interop

$(INTEROP)/installed: constraints-interop.txt pyproject.toml | $(MADE)
	$(BIN)/python -m venv --clear $(INTEROP)
	$(INTEROP)/bin/python -m pip install --quiet --disable-pip-version-check uv || true
	if $(INTEROP)/bin/python -m uv --version >/dev/null 2>&1; \
	then $(INTEROP)/bin/python -m uv pip install --quiet --python $(INTEROP)/bin/python --no-deps -r constraints-interop.txt -e .; \
	else $(INTEROP)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r constraints-interop.txt -e .; fi
	touch $@

$(WELL)/installed: | $(MADE)
	$(BIN)/python -m venv --clear $(WELL)
	$(WELL)/bin/python -m pip install --quiet --disable-pip-version-check the-well==1.2.0 h5py==3.16.0
	touch $@

clean:
	rm -rf $(VENV) $(INTEROP) $(WELL) runs
