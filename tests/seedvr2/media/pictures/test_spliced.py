"""A spliced file reads as one made of its parts."""

from __future__ import annotations

import io
import random

from seedvr2.media.pictures.spliced import splice


def test_it_reads_as_the_bytes_would() -> None:
    origin = bytes(range(256)) * 40
    parts: list[bytes | tuple[int, int]] = [b"head", (100, 5000), b"", (0, 1), b"x" * 3000, (9000, 1240), b"tail"]
    whole = b"".join(p if isinstance(p, bytes) else origin[p[0] : p[0] + p[1]] for p in parts)
    spliced, plain = splice(io.BytesIO(origin), parts), io.BytesIO(whole)
    assert spliced.read() == whole
    chance = random.Random(1)
    for _ in range(300):
        place, count = chance.randrange(len(whole) + 10), chance.choice([0, 1, 7, 4000])
        assert (spliced.seek(place), spliced.read(count)) == (plain.seek(place), plain.read(count))
        assert spliced.tell() == plain.tell()
    assert spliced.seek(-3, io.SEEK_END) == len(whole) - 3 and spliced.read() == b"ail"
