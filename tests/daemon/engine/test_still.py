"""`GET /api/frame/{id}`: frames for who cannot show the file itself, drawn by the process that looks into files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.daemon.conftest import Start
from tests.daemon.engine.conftest import Make
from tests.daemon.web.films import FRAMES, film


def test_the_frame_that_is_seen_at_a_time(start: Start, make: Make, tmp_path: Path) -> None:
    running = start(make())
    task = running.submit("film.mkv", film(tmp_path / "film.mkv", "ffv1", "yuv420p", (64, 36)))
    for at, number in (("", 0), ("0.5", 12), ("0.9", 22), ("7", FRAMES - 1)):
        answer = running.get(f"/api/frame/{task}?of=source&at={at}")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png"), answer.text
        with Image.open(io.BytesIO(answer.content)) as image:
            assert image.size == (64, 36)
            assert image.getpixel((9, 9)) == pytest.approx((10 * number, 255 - 10 * number, 60), abs=4)
    for query, status, said in (
        ("of=both", 400, "of takes one of result, source"),
        ("of=source&at=-1", 400, "at takes a number"),
        ("of=source&at=nan", 400, "at takes a number"),
    ):
        answer = running.get(f"/api/frame/{task}?{query}")
        assert (answer.status_code, said in answer.json()["error"]) == (status, True)
    assert list((running.config.paths.state / "frames").iterdir()) == []


def test_a_deep_picture_keeps_its_levels_and_a_bad_name_draws_nothing(start: Start, make: Make) -> None:
    running = start(make())
    buffer = io.BytesIO()
    Image.fromarray(np.full((20, 30), 40000, np.uint16)).save(buffer, "PNG")
    task = running.submit("deep.png", buffer.getvalue())
    with Image.open(io.BytesIO(running.get(f"/api/frame/{task}?of=source").content)) as image:
        assert (image.mode, image.size, image.getpixel((3, 3))) == ("RGB", (30, 20), (156, 156, 156))
    assert running.get("/api/frame/ffffffff").status_code == 404
    assert running.get(f"/api/thumbnail/{task}").status_code == 200
