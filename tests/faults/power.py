"""What a power cut can leave of a folder: a model of a disk that may lose whatever was not synced.

The model is harsher than most disks: of what was not synced, any beginning has arrived, the next write torn and its
blocks perhaps filled with zeros; names (made, renamed, removed) arrive in order up to any point, unless their folder
was synced. Nothing is known of the one from the other.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

BLOCK = 512


@dataclass(slots=True)
class _File:
    """What is surely on the disk, and what was done since: (place, bytes), or (size, None) for a truncation."""

    synced: bytes = b""
    since: list[tuple[int, bytes | None]] = field(default_factory=list)

    def whole(self) -> bytes:
        """Its content as programs see it."""
        return self.after(len(self.since))

    def after(self, number: int) -> bytes:
        """Its content once `number` of the writes have arrived."""
        content = bytearray(self.synced)
        for place, data in self.since[:number]:
            _apply(content, place, data)
        return bytes(content)

    def torn(self, chance: random.Random) -> bytes:
        """Its content after a power cut."""
        number = chance.randrange(len(self.since) + 1)
        content = bytearray(self.after(number))
        if number < len(self.since):
            place, data = self.since[number]
            if data is not None:
                arrived = chance.randrange(len(data) + 1)
                missing = len(data) - arrived
                _apply(content, place, data[:arrived] + b"\0" * chance.choice((0, min(BLOCK, missing), missing)))
        return bytes(content)


class Disk:
    """One flat folder. Its methods are the steps; each is called when the real call has returned."""

    def __init__(self, synced: dict[str, bytes] | None = None) -> None:
        self._files: dict[int, _File] = {}
        self._synced: dict[str, int] = {}
        self._names: list[dict[str, int]] = []
        for number, (name, content) in enumerate((synced or {}).items()):
            self._files[number] = _File(content)
            self._synced[name] = number

    def names(self) -> dict[str, int]:
        """What each name means to programs."""
        return self._names[-1] if self._names else self._synced

    def make(self, name: str, file: int) -> None:
        """A new, empty file."""
        self._files[file] = _File()
        self._change({name: file})

    def link(self, file: int, name: str) -> None:
        """Another name of a file."""
        self._change({name: file})

    def rename(self, old: str, new: str) -> None:
        """In one step."""
        self._change({new: self.names()[old]}, old)

    def unlink(self, name: str) -> None:
        """One name less."""
        self._change({}, name)

    def write(self, file: int, place: int, data: bytes | None) -> None:
        """Bytes at a place, or (None) the end there."""
        self._files[file].since.append((place, data))

    def sync(self, file: int) -> None:
        """The content is on the disk; its name need not be."""
        self._files[file] = _File(self._files[file].whole())

    def sync_folder(self) -> None:
        """The names are on the disk; what is in the files need not be."""
        self._synced, self._names = self.names(), []

    def seen(self) -> dict[str, bytes]:
        """The folder as programs see it."""
        return {name: self._files[file].whole() for name, file in self.names().items()}

    def cut(self, chance: random.Random) -> dict[str, bytes]:
        """The folder after a power cut at this moment."""
        arrived = chance.randrange(len(self._names) + 1)
        names = self._names[arrived - 1] if arrived else self._synced
        contents = {file: self._files[file].torn(chance) for file in sorted(set(names.values()))}
        return {name: contents[file] for name, file in names.items()}

    def _change(self, new: dict[str, int], gone: str = "") -> None:
        self._names.append({name: file for name, file in self.names().items() if name != gone} | new)


def write_folder(folder: Path, contents: dict[str, bytes]) -> None:
    """Make the folder hold just these files."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def _apply(content: bytearray, place: int, data: bytes | None) -> None:
    if len(content) < place:
        content.extend(b"\0" * (place - len(content)))
    if data is None:
        del content[place:]
    else:
        content[place : place + len(data)] = data
