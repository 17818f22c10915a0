"""`POST /api/preview`, with an executor that answers at once and with the real engine while a film runs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from daemon.engine.local_executor import LocalExecutor
from daemon.errors import EngineBugError, EngineDiedError
from daemon.settings.keys import ModelSettings
from seedvr2.errors import MachineError, MediaError
from seedvr2.preview.wish import Crop, Wish
from tests.daemon.conftest import PATIENCE_S, Running, Start, eventually, png
from tests.seedvr2.media.clips import write_video
from tests.seedvr2.segments.scenes import pixels, scene


def sent(running: Running, name: str = "photo.png", content: bytes | None = None, **fields: object) -> dict:
    answer = running.post("/api/preview", files={"file": (name, content or png())}, data=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_file_that_is_sent_is_shown_and_not_kept(running: Running) -> None:
    shown = sent(running, strengths="0.5,1", at="2", resolution="480", seed="7")
    assert shown["task_id"] is None
    assert [image["strength"] for image in shown["images"]] == [0.0, 0.5, 1.0]
    assert (shown["width"], shown["model"], shown["crop"]["width"], shown["kept_s"]) == (
        60,
        "nano.safetensors",
        30,
        900,
    )
    assert "speed" not in shown
    for image in shown["images"]:
        assert image["url"].startswith(f"/api/preview/{shown['id']}/")
        answer = running.get(image["url"])
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png")
        assert answer.headers["Content-Disposition"].startswith("inline")
        with Image.open(io.BytesIO(answer.content)) as picture:
            assert picture.getpixel((5, 5)) == (round(200 * image["strength"]),) * 3
    assert running.get(shown["sheet"]).status_code == 200
    ((content, options, wish, model, speed),) = running.executor.previews
    assert content == png() and (options.resolution, options.seed, model, speed) == (480, 7, "", None)
    assert (wish.at, wish.strengths, wish.patience) == (2.0, (0.5, 1.0), 3.0)
    assert list(running.service.context.uploads.glob("*")) == []
    assert running.history() == [] and running.service.store.open_jobs() == []


def test_a_task_is_shown_with_its_own_parameters_and_others(running: Running) -> None:
    job_id = running.submit(scale="2", color_correction="wavelet", dit_model="nano.safetensors")
    running.finished(job_id)
    answer = running.post("/api/preview", json={"task_id": job_id, "softness": 0.5, "crop": [1, 2, 8, 8]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["task_id"] == job_id
    again = running.post("/api/preview", data={"task_id": job_id}, files={"nothing": (None, "")})
    assert again.status_code == 400 and "no parameter 'nothing'" in again.json()["error"]
    form = running.post("/api/preview", files={"task_id": (None, job_id), "crop": (None, "whole")})
    assert form.status_code == 200, form.text
    first, second = running.executor.previews
    content, options, wish, model, speed = first
    assert content == png() and wish.crop == Crop(1, 2, 8, 8) and (model, speed) == ("nano.safetensors", None)
    assert (options.scale, options.softness, options.color_correction) == (2.0, 0.5, "wavelet")
    assert second[2] == Wish(crop="whole") and second[4] == 1.5


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({}, 400, "Send either the field 'file'"),
        ({"task_id": "00000000"}, 404, "There is no task '00000000'"),
        ({"task_id": "00000000", "strengths": "2"}, 400, "strengths takes up to 8 numbers"),
        ({"task_id": "00000000", "at": -1}, 400, "at takes a time"),
    ],
)
def test_wrong_requests_are_refused(running: Running, fields: dict, status: int, words: str) -> None:
    answer = running.post("/api/preview", json=fields)
    assert answer.status_code == status and words in answer.json()["error"]


def test_wrong_files_are_refused_as_by_a_submit(running: Running, tmp_path: Path) -> None:
    for name, content, fields, status, words in (
        ("text.png", b"no picture", {}, 400, "neither a picture nor a video"),
        ("photo.png", png(), {"resolution": "3"}, 400, "resolution takes"),
        ("photo.png", png(), {"dit_model": "other"}, 404, "There is no model other"),
        ("photo.png", png(), {"output_format": "mp4"}, 400, "cannot be written as mp4"),
        ("photo.png", png(), {"task_id": "00000000"}, 400, "either the field 'file'"),
    ):
        answer = running.post("/api/preview", files={"file": (name, content)}, data=fields)
        assert answer.status_code == status and words in answer.json()["error"], answer.text
    assert list(running.service.context.uploads.glob("*")) == [] and running.executor.previews == []
    job_id = running.submit()
    running.finished(job_id)
    for upload in running.service.context.uploads.glob("*/*"):
        upload.unlink()
    gone = running.post("/api/preview", json={"task_id": job_id})
    assert gone.status_code == 409 and "Send it again" in gone.json()["error"]


def test_too_large_a_file_is_refused_before_it_is_stored(start: Start) -> None:
    running = start(SEEDVR2_SERVER_MAX_UPLOAD_MB="1")
    answer = running.post("/api/preview", files={"file": ("large.png", b"x" * (3 << 20))})
    assert answer.status_code == 413 and "up to 1 MiB" in answer.json()["error"]


def test_what_the_engine_says_is_answered_and_leaves_nothing(running: Running) -> None:
    previews = running.config.paths.state / "previews"
    for error, status, words in (
        (MediaError("photo.png is damaged."), 400, "photo.png is damaged."),
        (MachineError("No room.", 28), 507, ""),
        (EngineDiedError("it was ended by SIGSEGV"), 503, "The engine cannot show this now: it was ended by SIGSEGV."),
        (EngineBugError("The engine failed unexpectedly (KeyError)."), 500, "The engine failed unexpectedly"),
    ):
        running.executor.errors.append(error)
        answer = running.post("/api/preview", files={"file": ("photo.png", png())})
        assert answer.status_code == status and words in answer.json()["error"]
    assert list(previews.iterdir()) == []
    assert sent(running)["width"] == 60
    assert running.get("/api/preview/0123456789abcdef/sheet.png").status_code == 404
    assert running.get("/api/preview/../jobs.json/sheet.png").status_code in (400, 404)


def test_a_running_task_makes_room_and_its_source_can_be_shown(running: Running) -> None:
    running.executor.gate.clear()
    job_id = running.submit()
    assert running.executor.running.wait(PATIENCE_S)
    shown = running.post("/api/preview", json={"task_id": job_id}).json()
    assert shown["images"][0]["strength"] == 0.0
    running.executor.gate.set()
    assert running.finished(job_id)["status"] == "completed"


def test_a_preview_during_a_film_by_the_real_engine(start: Start, tmp_path: Path) -> None:
    """Of the film itself, and of a picture; the film is whole afterwards."""
    clip = write_video(tmp_path / "clip.mp4", list(pixels(scene(1, 60, step=1))), options={"g": "12", "crf": "16"})
    running = start(LocalExecutor(tmp_path / "none", ModelSettings(device="cpu", dtype="float32")))
    job_id = running.submit("clip.mp4", clip.read_bytes(), resolution="64", batch_size="5")
    eventually(lambda: running.get(f"/api/status/{job_id}").json()["status"] == "processing")
    asked = {"task_id": job_id, "at": 1.0, "strengths": [1.0], "patience": 30}
    film = running.http.post(running.service.url + "/api/preview", json=asked, timeout=PATIENCE_S).json()
    assert running.get(f"/api/status/{job_id}").json()["status"] in ("queued", "processing")
    assert (film["width"], film["height"], film["frames_together"], film["crop"]) == (112, 64, 5, None)
    assert film["images"][0]["at"] == pytest.approx(1.0, abs=0.04)
    images = []
    for image in film["images"]:
        with Image.open(io.BytesIO(running.get(image["url"]).content)) as opened:
            images.append(np.asarray(opened, np.int16))
    assert images[0].shape == (64, 112, 3) and np.abs(images[0] - images[1]).max() > 2
    picture = sent(running, content=png(size=(40, 30)), resolution="60")
    assert (picture["width"], picture["height"]) == (80, 60)
    assert running.finished(job_id)["status"] == "completed"
    assert len(list(running.outputs.glob("clip_nano_*.mp4"))) == 1
    assert running.get(f"/api/status/{job_id}").json()["frames_total"] == 60
