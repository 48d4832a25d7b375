# cartwin: every task is one command. `make help` lists them.
#
#   make run ARGS="experiment=compare seed=2"
#
# The first command sets up a virtual environment in .venv from the hashed lock file; PYTHON=/path/to/python chooses
# the interpreter.

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.ready
BUSY := .venv.busy
LOCK := requirements.txt
ARGS ?=
PYTHON ?=

.DEFAULT_GOAL := help
.PHONY: help setup run test test-slow format docs readme lock bench clean

help: ## list the tasks
	@echo 'Tasks (options go into ARGS="..."):'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

setup: $(STAMP) ## set up .venv (the other tasks do it when needed)

run: $(STAMP) ## run the simulation, for example: make run ARGS="seed=2"
	@$(PY) -m sim $(ARGS)

test: $(STAMP) ## lint, types, arrows of imports, and the default tests
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports --no-logo
	$(PY) -m pytest $(ARGS)

test-slow: $(STAMP) ## the tests marked slow (having none is fine)
	$(PY) -m pytest -m slow $(ARGS) || [ $$? -eq 5 ]

format: $(STAMP) ## format the code and mend what ruff can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: $(STAMP) ## benchmarks
	@$(PY) -m bench $(ARGS)

docs: $(STAMP) ## the documentation, into build/site
	@NO_MKDOCS_2_WARNING=1 PYTHONPATH=. $(PY) -m mkdocs build --strict $(ARGS)

readme: $(STAMP) ## write the README's numbers and picture anew (minutes)
	$(PY) docs/base_case.py

lock: ## write the lock file anew from pyproject.toml: make lock ARGS=--upgrade takes newer versions
	@[ -x $(VENV)/bin/uv ] || $(MAKE) setup || [ -x $(VENV)/bin/uv ]
	$(VENV)/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --extra query --extra slurm --group dev \
		--generate-hashes --no-header --no-annotate --quiet --output-file $(LOCK) $(ARGS)

clean: ## remove caches and built files; keeps .venv and outputs
	rm -rf build dist .coverage .coverage.* htmlcov .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name $(VENV) -prune -o -name outputs -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): $(LOCK) pyproject.toml
	@sh -euc "$$CARTWIN_SETUP"

# The set-up, as a shell script. The stamp is written last. While work is going on, a file holds the process number, so
# that two set-ups at a time wait for each other, and one after an interruption starts from an empty environment.
define CARTWIN_SETUP
candidates="$(or $(PYTHON),python3 python3.13 python3.12 python3.11 python)"

say() { printf '%s\n' "$$*" >&2; }

usable() { "$$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

ready() { [ -f $(STAMP) ] && [ ! $(LOCK) -nt $(STAMP) ] && [ ! pyproject.toml -nt $(STAMP) ]; }

find_python() {
    for candidate in $$candidates; do
        if usable "$$candidate"; then python=$$candidate; return; fi
    done
    say 'cartwin needs Python 3.11 or newer, and found none. Tried:'
    for candidate in $$candidates; do
        say "  $$candidate: $$("$$candidate" --version 2>/dev/null || echo 'does not start')"
    done
    say 'Install a newer Python, or name one: make setup PYTHON=/path/to/python3.12'
    exit 1
}

create() {
    find_python
    if ! "$$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        say "$$python has no venv and ensurepip, the modules that make a virtual environment."
        say 'On Debian and Ubuntu: apt-get install python3-venv'
        exit 1
    fi
    say "Making $(VENV) with $$("$$python" --version). The first time takes a minute or two."
    echo $$$$ >$(BUSY)
    "$$python" -m venv --clear $(VENV)
}

pip() { $(PY) -m pip --quiet --disable-pip-version-check install "$$@"; }

uv() { $(PY) -m uv --quiet pip install --python $(PY) "$$@"; }

locked() { awk -v start="^$$1==" '/^[^ ]/ { on = $$0 ~ start } on' $(LOCK); }

install_with() { "$$1" --require-hashes -r $(LOCK) && "$$1" --no-deps --no-build-isolation --editable .; }

install() {
    if locked uv | pip -r /dev/stdin && install_with uv; then return; fi
    say 'uv did not manage; pip takes over (a few minutes).'
    install_with pip
}

# Bytecode of what every start imports, also where PYTHONDONTWRITEBYTECODE (usual in containers) would keep Python from
# writing it: each start would take three times as long.
compile_imports() {
    modules='hydra, matplotlib.pyplot, numba, openpyxl, pandas, pyarrow.parquet, pydantic, rich.table, scipy.stats'
    modules="$$modules, seaborn, simpy, statsmodels.api, pytest, xdist, hypothesis, distributed, playwright.sync_api"
    PYTHONDONTWRITEBYTECODE= $(PY) -c "import $$modules"
    PYTHONDONTWRITEBYTECODE= $(PY) -m compileall -q sim
}

rounds=0
while other=$$(cat $(BUSY) 2>/dev/null) && kill -0 "$${other:-0}" 2>/dev/null; do
    if [ $$rounds -eq 0 ]; then say "Another set-up is at work (process $$other): waiting for it."; fi
    if [ $$rounds -eq 100 ]; then say "It does not end. If there is none, remove $(BUSY)."; exit 1; fi
    rounds=$$((rounds + 1))
    sleep 5
done
if ready; then exit 0; fi

if [ -f $(BUSY) ] || ! usable $(PY) || ! $(PY) -m pip --version >/dev/null 2>&1; then
    create
fi
echo $$$$ >$(BUSY)
if install; then
    compile_imports || true
    touch $(STAMP)
    rm -f $(BUSY)
    say 'Ready.'
else
    rm -f $(BUSY)
    say 'The set-up failed: see the messages above. The usual cause is no connection to the package index.'
    exit 1
fi
endef
export CARTWIN_SETUP
