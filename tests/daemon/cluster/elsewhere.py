"""A machine with a models folder of its own, which lacks a model that the service has; a hub has it, too."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seedvr2.catalogue.registry import find
from seedvr2.nano import DIT_FILE, VAE_FILE
from tests.daemon.engine.test_pulls import VAE, stock
from tests.seedvr2.catalogue.hub import Hub, running_hub

# What a service has to run for it.
GATEWAY = "tests.daemon.cluster.strange_gateway"
MACHINE = platform.node()
MODEL = "seedvr2_ema_3b_fp16.safetensors"


@contextmanager
def lacking(theirs: Path, service: Path) -> Iterator[Hub]:
    """The hub, as long as the block lasts, and what a service in a folder has to find there and in its environment.

    Args:
        theirs: the models folder of the other machine.
    """
    with running_hub() as hub, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.url)
        patch.setenv("STRANGE_MODELS", str(theirs))
        stock(hub)
        # What can be run: the embedded model, under names of the catalogue.
        for name, file in ((MODEL, DIT_FILE), (VAE, VAE_FILE)):
            hub.add(find(name).repo, name, file.read_bytes())
        (service / "models").mkdir(parents=True)
        for path, content in hub.files.items():
            (service / "models" / path.rpartition("/")[2]).write_bytes(content)
        yield hub
