"""The cache of the Hugging Face hub, as other programs fill it: `models--OWNER--NAME/snapshots/REVISION/…`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from seedvr2.catalogue.asking import is_folder
from seedvr2.catalogue.registry import CATALOGUE

_PREFIX = "models--"
_REPOSITORIES = {entry.repo.lower() for entry in CATALOGUE}


def default_cache(environment: Mapping[str, str]) -> Path:
    """Where the hub's client keeps its cache: `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else in the user's cache."""
    named = environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE")
    if named:
        return Path(named).expanduser()
    home = environment.get("HF_HOME")
    if home:
        return Path(home).expanduser() / "hub"
    return Path(environment.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface" / "hub"


def snapshots_in(folder: Path) -> Iterator[Path]:
    """The folders of the revisions of SeedVR2's repositories: of each the one that `main` means first.

    Args:
        folder: a cache, or what has one as its `hub`.
    """
    for cache in (folder, folder / "hub"):
        try:
            names = sorted(path.name for path in cache.iterdir() if path.name.startswith(_PREFIX))
        except OSError:
            continue
        for name in names:
            repository = name.removeprefix(_PREFIX).replace("--", "/").lower()
            if "seedvr" in repository or repository in _REPOSITORIES:
                yield from _revisions(cache / name)


def _revisions(repository: Path) -> Iterator[Path]:
    try:
        main = (repository / "refs" / "main").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        main = ""
    try:
        present = sorted(path for path in (repository / "snapshots").iterdir() if is_folder(path))
    except OSError:
        return
    yield from sorted(present, key=lambda path: path.name != main)
