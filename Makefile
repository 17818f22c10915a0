# Everything below sets itself up in .venv first; Python 3.11+ and make are all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: run test lint format demo bench bench-all check-gpu screenshots memory-table check-long clean setup install-service install-user-service

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("seedvr2d needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 run") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(READY)

setup: $(READY)

run: $(READY)            ## start the daemon: drop files into inbox/, take them from outputs/
	$(BIN)/python -m daemon

test: lint               ## lint, types and every test that runs in minutes
	$(BIN)/python -m pytest -q -n auto --dist loadfile -m 'not long'

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

demo: $(READY)           ## a degraded clip through a real daemon on temporary folders
	$(BIN)/python -m benchmarks.demo

check-gpu: $(READY)      ## this card, in ten steps: docs/gpu/README.md; tiny sizes without a GPU
	$(BIN)/python -m benchmarks.gpu

bench: $(READY)          ## speed and memory, as shares of this run's own peak; about six minutes
	$(BIN)/python -m benchmarks

bench-all: $(READY)      ## every case, the 7B too: half an hour and more, and 60 GB of disk for random weights
	$(BIN)/python -m benchmarks --all --record

screenshots: $(READY)    ## docs/images, anew; needs Chromium
	$(BIN)/python -m benchmarks.screenshots

memory-table: $(READY)   ## what the networks take on a GPU, counted anew after a change of them (docs/gpu.md)
	$(BIN)/python -m seedvr2.planning.count

check-long: $(READY)     ## real-size models, kill tests: up to an hour
	$(BIN)/python -m pytest -q -m long

install-user-service: $(READY) ## systemd, for this user (docs/service.md)
	install -D -m 644 systemd/user/seedvr2d.service $(HOME)/.config/systemd/user/seedvr2d.service
	systemctl --user daemon-reload
	systemctl --user enable --now seedvr2d

install-service: $(READY) ## systemd, for the machine; as root (docs/service.md)
	install -m 644 systemd/seedvr2d.service /etc/systemd/system/seedvr2d.service
	systemctl daemon-reload
	systemctl enable --now seedvr2d

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache *.egg-info
