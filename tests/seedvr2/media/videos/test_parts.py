"""Where a transport stream goes on with other streams is found, and nothing else is taken for such a place."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedvr2.media import probe
from seedvr2.media.videos.parts import part_ranges

CASES = Path(__file__).parents[3] / "fixtures" / "cases"


@pytest.mark.parametrize(
    ("name", "starts"),
    [("21_ts_new_pids.ts", [12032]), ("02_ts_clock_reset_uneven.ts", []), ("03b_avi_h264_bframes.avi", [])],
)
def test_parts_of_recordings(name: str, starts: list[int]) -> None:
    path = CASES / name
    assert part_ranges(path) == tuple(zip([0, *starts], [*starts, path.stat().st_size], strict=True))


@pytest.mark.parametrize("counts", [(1, 1, 1), (1, 1, 1, 1), (300, 90, 600)])
def test_streams_that_change_to_and_fro(tmp_path: Path, counts: tuple[int, ...]) -> None:
    data = (CASES / "21_ts_new_pids.ts").read_bytes()
    pieces = [data[:12032], data[12032:]]
    expected = [0]
    with (tmp_path / "long.ts").open("wb") as file:
        for number, count in enumerate(counts):
            file.write(pieces[number % 2] * count)
            expected.append(file.tell())
    ranges = part_ranges(tmp_path / "long.ts")
    # A table of services stands before the others.
    assert [end for _, end in ranges] == pytest.approx(expected[1:], abs=188)


def test_packets_with_time_stamps(tmp_path: Path) -> None:
    """Cameras and discs put four bytes before each packet."""
    plain = (CASES / "21_ts_new_pids.ts").read_bytes()
    stamped = b"".join(bytes(4) + plain[place : place + 188] for place in range(0, len(plain), 188))
    (tmp_path / "camera.m2ts").write_bytes(stamped)
    assert part_ranges(tmp_path / "camera.m2ts") == ((0, 12032 // 188 * 192), (12032 // 188 * 192, len(stamped)))
    assert probe(tmp_path / "camera.m2ts").frames == 50
