"""What the settings say of device and models, checked before the service starts: with these no job could ever run."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

from daemon.engine.child import ROOT
from daemon.engine.visible import choose
from daemon.errors import ConfigError, EngineAwayError
from daemon.settings.config import Config
from seedvr2.catalogue.places import look
from seedvr2.catalogue.registry import find
from seedvr2.errors import CheckpointError
from seedvr2.nano import NAME

_PROBE = "daemon.engine.device_report"
_PROBE_S = 120.0
# Of `device_report`: there is no GPU, and only another installation or other settings will change that.
NO_GPU, NO_GPU_FOR_GOOD = 3, 4


def check_models(config: Config) -> None:
    """The models that jobs have which name none: each must be one that is known, or a file that may be there.

    Raises:
        ConfigError: there is no such model, anywhere.
    """
    named = {"model.default": config.model.default, "defaults.dit_model": config.defaults.get("dit_model", "")}
    stock = look(config.paths.models)
    # A file may lie in a folder that is not mounted at the moment.
    unseen = bool(stock.problems) or not all(folder.exists() for folder in config.paths.models)
    for key, name in named.items():
        if name in ("", "auto", NAME) or any(path.name == name for path, _own in stock.files):
            continue
        try:
            find(name)
        except CheckpointError as error:
            if not unseen:
                raise ConfigError(f"{config.origins.get(key, key)}: {key} is {name!r}. {error}") from error


def check_device(config: Config) -> None:
    """A GPU that is asked for by `model.device` must be there.

    Raises:
        ConfigError: it is not; the message says why. Its cause is an OSError where that may pass by itself.
    """
    if not config.model.device.startswith("cuda"):
        return
    try:
        choice = choose(config.model, os.environ)
    except EngineAwayError as error:
        raise ConfigError(f"model.device is {config.model.device!r}: {error}.") from error
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **choice.environment()}
    try:
        found = subprocess.run(
            [sys.executable, "-P", "-m", _PROBE], env=environment, capture_output=True, text=True, timeout=_PROBE_S
        )
    except (OSError, subprocess.TimeoutExpired):
        # The engine will say what is wrong; it is asked again and again.
        return
    if found.returncode not in (NO_GPU, NO_GPU_FOR_GOOD):
        return
    why = found.stdout.strip().rpartition("\n")[2]
    sentence = f"model.device is {config.model.device!r}, but there is no GPU to compute on: {why}."
    if found.returncode == NO_GPU_FOR_GOOD:
        raise ConfigError(f"{sentence} Or set model.device = auto.")
    raise ConfigError(f"{sentence} Or set model.device = auto.") from OSError(errno.ENODEV, why)
