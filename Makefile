# What a newcomer needs: make demo. What a contributor needs: make test check.
# Only Python 3.11 or later has to be there: PYTHON=python3.12 make install chooses another than python3.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: install torch demo test test-all check format benchmarks docs

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'ssd-keras needs Python 3.11 or later')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[tensorflow,jax,onnx,openvino,litert,serve,ray,dev]"
	touch $@

# PyTorch is the third backend; its ordinary package is several gigabytes, so nothing else installs it.
torch: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch

demo: $(INSTALLED)
	$(BIN)/ssd demo

# The whole suite on TensorFlow, then boxes, loss, decoding and model on the other backends that are installed.
test: $(INSTALLED)
	KERAS_BACKEND=tensorflow $(BIN)/python -m pytest -n 2 -m "not slow"
	KERAS_BACKEND=jax $(BIN)/python -m pytest -n 2 -m "backends and not slow"
	if $(BIN)/python -c "import torch" 2>/dev/null; then KERAS_BACKEND=torch $(BIN)/python -m pytest -n 2 -m "backends and not slow"; \
	else echo "torch is not installed: its tests are left out ('make torch' installs it)"; fi

# Also what takes minutes: ten thousand damaged label files, deep networks on JAX.
test-all: test
	KERAS_BACKEND=tensorflow $(BIN)/python -m pytest -n 2 -m slow
	KERAS_BACKEND=jax $(BIN)/python -m pytest -n 2 -m "backends and slow"
	if $(BIN)/python -c "import torch" 2>/dev/null; then KERAS_BACKEND=torch $(BIN)/python -m pytest -n 2 -m "backends and slow"; fi

check: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

benchmarks: $(INSTALLED)
	for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

# The site, in site/: open site/index.html. Without a network, and without a warning.
docs: $(INSTALLED)
	KERAS_BACKEND=tensorflow NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
