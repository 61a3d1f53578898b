# make demo   the two commands of the README on real text     make lint    ruff and the type checker
# make test   the tests                                       make bench   the benchmarks
# One .venv serves all. Choose another Python with: make demo PYTHON=python3.12

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(or $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$name && break; \
	done),python3)
RUNS := embgeo-runs

.PHONY: demo test lint bench clean

demo: $(VENV)/.demo
	$(BIN)/embgeo analyze minilm pydocs --out $(RUNS) --html $(RUNS)/demo-analyze.html
	$(BIN)/embgeo compress minilm pydocs --budget 96B --out $(RUNS) --html $(RUNS)/demo-compress.html
	@echo
	@echo "Reports: $(RUNS)/demo-analyze.html and $(RUNS)/demo-compress.html"

# byte code is kept whatever the shell says: hundreds of tests start a process that imports the same packages
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYTHON=$(BIN)/python ./.ci/typecheck

bench: $(VENV)/.dev
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis $(VENV)

# torch first and pinned: a looser range may pull several GB; Python compiles what is imported, pip would compile all
$(VENV)/.torch: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	echo "embgeo needs Python 3.11, 3.12 or 3.13; $(PYTHON) is $$($(PYTHON) --version 2>&1). Choose one: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --no-compile torch -c constraints.txt
	@touch $@

# both installs are editable, so that neither hides the other's code
$(VENV)/.demo: $(VENV)/.torch pyproject.toml
	@test -f $(VENV)/.dev -a $(VENV)/.dev -nt pyproject.toml || $(BIN)/python -m pip install -q --no-compile -e '.[cpu,demo]' -c constraints.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.torch pyproject.toml
	$(BIN)/python -m pip install -q --no-compile -e '.[cpu,demo,umap,near-copies,figures,hdf5,zarr,sqlite-vec,lancedb,chroma,pgvector,qdrant,usearch,redis,ray,dev]' -c constraints.txt
	@touch $@
