"""Where the models of this machine are, by its configuration."""

from __future__ import annotations

import os
from pathlib import Path

from daemon.settings.config import Config
from seedvr2.config_file import with_hub_cache


def shelves(config: Config) -> tuple[Path, ...]:
    """The configured folders, and after them the cache of the Hugging Face hub, unless that is off."""
    return tuple(with_hub_cache(list(config.paths.models), os.environ, enabled=config.model.hub_cache))
