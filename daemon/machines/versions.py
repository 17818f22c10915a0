"""Versions that have to be the same on all machines of a cluster."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from seedvr2 import __version__

# What a result depends on, and Ray, whose versions do not talk to each other.
_PACKAGES = {"ray": "Ray", "torch": "PyTorch", "av": "PyAV"}
_EXTRA = "seedvr2d[cluster]"


def versions() -> dict[str, str]:
    """By the names that people know; a package that is not here is left out."""
    found = {"seedvr2d": __version__, "Python": f"{sys.version_info[0]}.{sys.version_info[1]}"}
    for package, name in _PACKAGES.items():
        try:
            # Builds for a processor and for CUDA are one version: `2.9.0+cu128`.
            found[name] = version(package).partition("+")[0]
        except PackageNotFoundError:
            continue
    return found


def differences(wanted: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """A sentence for each version that is not as it has to be."""
    told = []
    for name, value in wanted.items():
        found = here.get(name)
        if found == value:
            continue
        if name == "Python":
            told.append(f"Python is {found} here and {value} there; make the virtual environment with python{value}.")
            continue
        package = next((package for package, known in _PACKAGES.items() if known == name), _EXTRA)
        told.append(f"{name} is {found or 'not installed'} here and {value} there: pip install '{package}=={value}'.")
    return told
