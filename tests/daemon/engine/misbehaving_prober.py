"""The process that looks into files, misbehaving on demand: see `misbehaving_child`."""

from __future__ import annotations

from pathlib import Path

from daemon.engine import decoding, probe_main, stamp
from daemon.jobs.job import Media
from tests.daemon.engine.misbehaving_child import misbehave


def look_into(path: Path) -> Media:
    misbehave("probe", path.stem)
    return decoding.look_into(path)


def draw(path: Path, kind: str, size: tuple[int, int]) -> bytes | None:
    misbehave("draw", path.stem)
    return stamp.draw(path, kind, size)


if __name__ == "__main__":
    probe_main.look_into = look_into
    probe_main.draw = draw
    probe_main.main()
