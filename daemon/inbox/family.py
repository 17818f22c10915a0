"""Which files belong to a source: `clip.en.srt`, `clip.mp4.toml` and `clip.info.json` go where `clip.mp4` goes."""

from __future__ import annotations

import contextlib
import logging
import stat
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePath

from daemon.inbox.names import ignored, is_companion, travels
from daemon.store.safe_folder import SafeFolder

log = logging.getLogger(__name__)


class Family:
    """The sources of a folder, by name, and what belongs to each."""

    def __init__(self, sources: Iterable[str]) -> None:
        self._names: defaultdict[str, set[str]] = defaultdict(set)
        self._stems: defaultdict[str, set[str]] = defaultdict(set)
        for name in sources:
            self._names[name.casefold()].add(name)
            self._stems[PurePath(name).stem.casefold()].add(name)

    def owners(self, companion: str) -> set[str]:
        """The sources that a file belongs to: those whose name it begins with, else whose name without its suffix."""
        for place in range(len(companion) - 1, 0, -1):
            if companion[place] == ".":
                beginning = companion[:place].casefold()
                found = self._names.get(beginning) or self._stems.get(beginning)
                if found:
                    return found
        return set()


def following(folder: SafeFolder, name: str) -> list[str]:
    """The files in `folder` that go where the source called `name` goes: what belongs to no other one there."""
    names = folder.names()
    stem = PurePath(name).stem.casefold()
    # Whoever shares a companion with it begins as it does.
    near = [each for each in names if each.casefold().startswith(stem)]
    family = Family({name, *(each for each in near if _is_source(folder, each))})
    return sorted(each for each in near if travels(each) and family.owners(each) == {name} and _is_file(folder, each))


def bring_after(folder: SafeFolder, name: str, target: SafeFolder, moved: str, companions: Iterable[str]) -> None:
    """Move what belongs to a source to where that went; named after its new name, so that both can be put back.

    Raises:
        OSError: the machine refuses now.
    """
    for each in companions:
        try:
            with contextlib.suppress(FileNotFoundError):
                folder.move(each, target, renamed(each, name, moved))
        except PermissionError as error:
            log.warning("inbox: %s stays where it is: %s", each, error.strerror)


def renamed(companion: str, name: str, moved: str) -> str:
    """What a companion of `name` is called once that is called `moved`."""
    if companion[: len(name)].casefold() == name.casefold():
        return moved + companion[len(name) :]
    return PurePath(moved).stem + companion[len(PurePath(name).stem) :]


def _is_source(folder: SafeFolder, name: str) -> bool:
    return not ignored(name) and not is_companion(name) and _is_file(folder, name)


def _is_file(folder: SafeFolder, name: str) -> bool:
    status = folder.status(name)
    return status is not None and stat.S_ISREG(status.st_mode)
