# Everything below sets itself up in .venv first; Python 3.11+ and make are all it needs.
PYTHON ?= python3
DEB_PYTHON ?= /usr/bin/python3
VENV := .venv
BIN := $(VENV)/bin
# What the program needs, and what its tests and measurements need besides.
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
PIP := $(BIN)/pip --disable-pip-version-check install --no-warn-script-location -c constraints.txt

.PHONY: run test lint format demo bench bench-all check-gpu screenshots memory-table check-long clean setup \
	install-service install-user-service deb

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("seedvr2d needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 run") if sys.version_info < (3, 11) else None'
	@echo "Setting up $(VENV), once: PyTorch is a download of 200 MB, or of 2 GB and more with CUDA."
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	@touch $(READY)

$(READY_DEV): $(READY)
	@echo "Adding what the tests need."
	$(PIP) -e '.[dev]'
	@touch $(READY_DEV)

setup: $(READY)

run: $(READY)            ## start the daemon: drop files into inbox/, take them from outputs/
	$(BIN)/python -m daemon

test: lint               ## lint, types and every test that runs in minutes
	$(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder -m 'not long'

lint: $(READY_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(READY_DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

demo: $(READY)           ## a degraded clip through a real daemon on temporary folders
	$(BIN)/python -m benchmarks.demo

check-gpu: $(READY)      ## this card, in eleven steps: docs/gpu/README.md; tiny sizes without a GPU
	$(BIN)/python -m benchmarks.gpu

bench: $(READY_DEV)          ## speed and memory, as shares of this run's own peak; about six minutes
	$(BIN)/python -m benchmarks

bench-all: $(READY_DEV)      ## every case, the 7B too: half an hour and more, and 60 GB of disk for random weights
	$(BIN)/python -m benchmarks --all --record

screenshots: $(READY_DEV)    ## docs/images, anew; needs Chromium
	$(BIN)/python -m benchmarks.screenshots

memory-table: $(READY)   ## what the networks take on a GPU, counted anew after a change of them (docs/gpu.md)
	$(BIN)/python -m seedvr2.planning.count

check-long: $(READY_DEV)     ## real-size models, kill tests: up to an hour
	$(BIN)/python -m pytest -q -m long

install-user-service: $(READY) ## systemd, for this user (docs/install.md)
	$(BIN)/seedvr2d install-service --user

install-service: $(READY) ## systemd, for the machine; as root (docs/install.md)
	$(BIN)/seedvr2d install-service

deb: $(READY)            ## build/seedvr2d_*.deb, for the system's Python (docs/install.md); needs dpkg-deb
	PYTHON=$(DEB_PYTHON) PIP=$(BIN)/pip packaging/build-deb build

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache *.egg-info
