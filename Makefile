# Needs Python 3.11 with venv and pip, and make. uv is used where it is there: it installs faster.
PYTHON ?= python3
VENV ?= .venv
TORCH := $(VENV)-torch
ESTIMATOR := $(VENV)-estimator
WORKERS ?= 2# of pytest: each holds a TensorFlow and a Beam, about 1 GB

BIN := $(VENV)/bin
PACKAGES := beam_jobs input_fns presample tfrecord_io
FRAME := pyproject.toml setup.py constraints.txt

.PHONY: help demo test test-torch test-estimator test-dataflow lint format bench bench-read bench-resample bench-scale bench-dataflow constraints constraints-estimator clean
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z%-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

demo: $(VENV)/.installed-demo ## the whole way on real flights: sample, train, compare
	$(BIN)/presample demo

test: lint ## every check: lint, types, import boundaries, tests
	PYTHONUNBUFFERED=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

test-torch: $(TORCH)/.installed ## reading into PyTorch, in an environment without TensorFlow
	$(TORCH)/bin/python -m pytest -m torch tests/examples/test_torch_dataset.py

test-estimator: $(ESTIMATOR)/.installed ## reading on TensorFlow 2.15, the last with tf.estimator, in an environment of its own
	$(ESTIMATOR)/bin/python -m pytest -m estimator tests/input_fns/test_estimator.py

test-dataflow: $(VENV)/.installed-dev ## the command line of production, against a Google Cloud on loopback
	$(BIN)/python -m pytest -m dataflow tests/dataflow

lint: $(VENV)/.installed-dev ## ruff, mypy, the import boundaries and shellcheck
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/shellcheck run_dataflow.sh

format: $(VENV)/.installed-dev ## rewrite the code in the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-dev ## the job against three others, side by side; ARGS='--rows 200000' for a quick look
	$(BIN)/python benchmarks/job.py $(ARGS)

bench-read: $(VENV)/.installed-dev ## reading beside the usual pipeline and no sampling at all
	$(BIN)/python benchmarks/read.py $(ARGS)

bench-resample: $(VENV)/.installed-dev ## sampling on the fly beside rejection_resample and flat_map/filter
	$(BIN)/python benchmarks/resample.py $(ARGS)

bench-scale: $(VENV)/.installed-dev ## the cost model's constants, and 1, 10 and 100 million rows
	$(BIN)/python benchmarks/scale.py $(ARGS)

bench-dataflow: $(VENV)/.installed-dev ## submission and watching, against a loopback service
	$(BIN)/python benchmarks/dataflow.py

bench-%: $(VENV)/.installed-dev ## another scenario of benchmarks/README.md: bench-none, bench-tfrecord, bench-all
	$(BIN)/python benchmarks/job.py --scenario $* $(ARGS)

constraints: ## pin the newest versions for tests and the demo (needs uv)
	uv pip compile pyproject.toml --all-extras --python-version 3.11 --quiet --upgrade \
	    --no-emit-index-url --no-emit-find-links --no-annotate --no-header -o constraints.txt
	sed -i '1i # Pins for tests and the demo: Python 3.11 on Linux, all extras. Users get the ranges of pyproject.toml.\n# Made by: make constraints' constraints.txt

constraints-estimator: # pin the newest versions that go with TensorFlow 2.15.1 (needs uv)
	printf '%s\n' tensorflow==2.15.1 'numpy<2' 'pyarrow<26' pytest hypothesis | uv pip compile pyproject.toml - --extra tf \
	    --python-version 3.11 --quiet --upgrade --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
	    -o constraints-estimator.txt
	sed -i '1i # Pins for make test-estimator: TensorFlow 2.15.1 on Python 3.11, Linux.\n# Made by: make constraints-estimator' constraints-estimator.txt

clean: ## remove what make and the tools made
	rm -rf $(VENV) $(TORCH) $(ESTIMATOR) build dist *.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find $(PACKAGES) tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: a second run installs nothing unless the frame changed. What dev has, the demo has.
$(VENV)/.installed-dev: $(VENV)/bin/python $(FRAME)
	$(call install,-c constraints.txt -e '.[all$(comma)dev]')
	@touch $(VENV)/.installed-demo $@

$(VENV)/.installed-demo: $(VENV)/bin/python $(FRAME)
	$(call install,-c constraints.txt -e '.[demo]')
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	    { echo "constraints.txt pins for Python 3.11, $(PYTHON) is another: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# Without [tf]: what is read there is read without TensorFlow.
$(TORCH)/.installed: BIN := $(TORCH)/bin
$(TORCH)/.installed: $(FRAME)
	$(PYTHON) -m venv --clear $(TORCH)
	$(call install,-c constraints.txt -e . pytest torch==2.13.0)
	@touch $@

$(ESTIMATOR)/.installed: BIN := $(ESTIMATOR)/bin
$(ESTIMATOR)/.installed: pyproject.toml setup.py constraints-estimator.txt
	$(PYTHON) -m venv --clear $(ESTIMATOR)
	$(call install,-c constraints-estimator.txt -e '.[tf]' pytest hypothesis)
	@touch $@

# uv reads none of pip's configuration: where it fails, pip may still succeed.
define install
	@if command -v uv >/dev/null && uv --version >/dev/null 2>&1 && \
	    uv pip install --quiet --python $(BIN)/python $(1); \
	then :; else \
	    $(BIN)/python -m pip install --quiet $(1); \
	fi
endef
comma := ,
