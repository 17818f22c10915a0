"""The sources in a folder of their own: a build leaves files beside them that the next one would take along."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = ("constraints.txt", "pyproject.toml", "README.md", "LICENSE", "config.toml", "mcp_server.py")
PACKAGES = ("seedvr2", "daemon", "mcp_tools", "rest_client")


def copy_sources(folder: Path) -> Path:
    """All that a wheel is made of, in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    for name in (*PACKAGES, "systemd"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without what would let Python find the sources where they are."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | more
