# make demo      a map at http://127.0.0.1:8000 (PORT=8123 for another port; DATABASE_URL for a database of yours)
# make test      the test suite; ARGS are handed to pytest: make test ARGS="-k tiles"
# make test-slow what takes longer than some seconds each: ways through the viewer, crashes, large files
# make check     formatting, lint, types, catalogue, styles, viewer
# make map-sheet pictures of the map at every zoom, to be looked at; ARGS="--only two-dark --zooms 12,13" for some
# make bench     ratios against the database's own limit and against peers
# make web       build the viewer
# make types     write the viewer's types of the API anew
# make lock      resolve the Python packages anew
# make clean     remove what the above made, but for the database in .geoserver/

PORT ?= 8000
ARGS ?=
# The tests of a module stay in one process; the longest modules come first (tests/conftest.py).
PARALLEL := -n auto --maxprocesses 4 --dist loadscope --no-loadscope-reorder
BIN := .venv/bin
# node and npm of the environment come first, for tests and tools that call them by name.
export PATH := $(CURDIR)/$(BIN):$(PATH)
WEB_SOURCES := $(shell find web -type f -not -path 'web/node_modules/*' -not -path 'web/dist/*' -not -path 'web/public/fonts/*' -not -path 'web/public/world/*' 2>/dev/null)

export PYTHON
.NOTPARALLEL:

.PHONY: help demo test test-slow check bench map-sheet web types setup test-setup database lock clean

help:
	@sed -n 's/^# //p' Makefile

demo: setup
	@exec $(BIN)/geoserver demo --port $(PORT)

test: test-setup
	@exec $(BIN)/python -m pytest -m "not slow" $(PARALLEL) $(ARGS)

test-slow: test-setup
	@sh setup.sh engines
	@exec $(BIN)/python -m pytest -m slow $(PARALLEL) $(ARGS)

check: test-setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/geoserver check
	@set -e; for style in styles/*.json; do web/node_modules/.bin/gl-style-validate $$style; done
	$(BIN)/python web/scripts/openapi.py | node web/scripts/types.mjs --check
	npm --prefix web run --silent format:check
	npm --prefix web run --silent lint
	npm --prefix web run --silent check
	npm --prefix web run --silent test -- --test-reporter=dot

bench: .setup/bench-python web database
	@sh setup.sh peers
	@exec $(BIN)/python -m benchmarks $(ARGS)

map-sheet: test-setup
	@exec $(BIN)/python tests/browser/map_sheet.py $(ARGS)

web: web/dist/index.html

types: web
	$(BIN)/python web/scripts/openapi.py | node web/scripts/types.mjs

setup: .setup/python web database
	@sh setup.sh graphics

test-setup: .setup/test-python web database
	@sh setup.sh graphics
	@sh setup.sh chromium
	@sh setup.sh servers

# Without a database of yours, the server needs the programs of PostGIS.
database: .setup/python
	@[ -n "$(DATABASE_URL)" ] || sh setup.sh postgis

# The packages to run it, to test it, to measure it: each set holds the one before, and marks it as done.
.setup/python: requirements/setup.txt pyproject.toml hatch_build.py setup.sh
	@sh setup.sh setup-python
	@touch $@

.setup/test-python: requirements/test.txt pyproject.toml hatch_build.py setup.sh
	@sh setup.sh test-python
	@touch $@ .setup/python

.setup/bench-python: requirements/bench.txt pyproject.toml hatch_build.py setup.sh
	@sh setup.sh bench-python
	@touch $@ .setup/test-python .setup/python

web/dist/index.html: $(WEB_SOURCES) | .setup/python
	@sh setup.sh web
	@touch $@

COMPILE = $(BIN)/uv pip compile --upgrade --quiet --universal --python-version 3.12 --generate-hashes \
	--no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

lock: .setup/python
	$(COMPILE) pyproject.toml --output-file requirements/run.txt
	$(COMPILE) pyproject.toml --extra setup --constraint requirements/run.txt --output-file requirements/setup.txt
	$(COMPILE) pyproject.toml --extra setup --extra test --constraint requirements/setup.txt \
		--output-file requirements/test.txt
	$(COMPILE) pyproject.toml --extra setup --extra test --extra bench --constraint requirements/test.txt \
		--output-file requirements/bench.txt
	printf 'tipg\nuvicorn[standard]\n' | $(COMPILE) - --output-file requirements/tipg.txt
	echo "hatchling" | $(COMPILE) - --constraint requirements/setup.txt --output-file requirements/build.txt

clean:
	rm -rf .venv .setup .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build web/dist web/node_modules web/public/fonts web/public/world
	find geoserver tests benchmarks data-samples -name __pycache__ -type d -prune -exec rm -rf {} +
