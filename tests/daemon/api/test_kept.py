"""A file that was sent for its plan or its preview becomes a task without being sent once more."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from daemon.api import kept
from daemon.api.form import Upload
from daemon.api.kept import GONE, KeptUploads
from daemon.api.room import Room
from daemon.errors import RequestError
from tests.daemon.conftest import Running, Start, eventually, png

CONTENT = png("olive", (40, 30))


def asked(running: Running, path: str = "/api/plan", **fields: Any) -> dict[str, Any]:
    answer = running.post(path, files={"file": ("a b.png", CONTENT)}, data={"keep": "1", **fields})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def left(running: Running) -> list[str]:
    return sorted(path.name for path in running.service.context.uploads.iterdir())


def test_a_planned_file_is_taken_by_its_task(running: Running) -> None:
    upload = asked(running, resolution=60)["upload_id"]
    assert left(running) == [f".{upload}"]
    again = running.post("/api/plan", json={"upload_id": upload, "resolution": 90}).json()
    assert (again["upload_id"], again["output_width"]) == (upload, 120)
    refused = running.post(f"/api/uploads/{upload}/submit", json={"resolution": 3})
    assert refused.status_code == 400 and refused.json()["detail"] == {"field": "resolution"}
    answer = running.post(f"/api/uploads/{upload}/submit", json={"resolution": 60, "seed": 7})
    assert answer.status_code == 200, answer.text
    job = running.service.store.get(answer.json()["task_id"])
    assert job is not None
    assert (job.draft.original_filename, job.draft.options["seed"], job.draft.bytes) == ("a b.png", 7, len(CONTENT))
    assert Path(job.draft.source).read_bytes() == CONTENT
    assert left(running) == [upload]
    # It is the task's now.
    gone = running.post(f"/api/uploads/{upload}/submit")
    assert gone.status_code == 404
    assert gone.json() == {"error": GONE, "detail": {"field": "upload_id"}}
    assert running.finished(job.id)["status"] == "completed"


def test_a_preview_keeps_the_file_too(running: Running) -> None:
    upload = asked(running, "/api/preview", strengths="0.5")["upload_id"]
    # Another place of the same file.
    form = {"upload_id": (None, upload), "strengths": (None, "1"), "crop": (None, "whole")}
    shown = running.post("/api/preview", files=form)
    assert shown.status_code == 200 and shown.json()["upload_id"] == upload, shown.text
    assert [each[0] for each in running.executor.previews] == [CONTENT] * 2
    assert running.post(f"/api/uploads/{upload}/submit").status_code == 200


def test_nothing_is_kept_that_nobody_asked_for(running: Running) -> None:
    assert asked(running, keep="0")["upload_id"] is None
    assert running.post("/api/plan", json={"width": 9, "height": 9}).json()["upload_id"] is None
    broken = running.post("/api/plan", files={"file": ("a.png", b"no picture")}, data={"keep": "1"})
    assert broken.status_code == 400
    unclear = running.post("/api/plan", files={"file": ("a.png", CONTENT)}, data={"keep": "perhaps"})
    assert unclear.status_code == 400 and unclear.json()["detail"] == {"field": "keep"}
    both = {"upload_id": "5d0c7be91a42f386", "keep": "1"}
    assert running.post("/api/plan", files={"file": ("a.png", CONTENT)}, data=both).status_code == 400
    assert left(running) == []


def test_a_stop_leaves_none(start: Start) -> None:
    running = start()
    asked(running)
    running.service.stop()
    assert left(running) == []


def received(folder: Path, number: int, size: int = 10) -> Upload:
    hidden = folder / f".{number:016x}"
    hidden.mkdir()
    (hidden / "a.png").write_bytes(bytes(size))
    return Upload(hidden, "a.png", size)


def there(uploads: KeptUploads, upload_id: str | None) -> bool:
    with contextlib.suppress(RequestError), uploads.taken(str(upload_id)):
        return True
    return False


def test_those_that_nobody_takes_go_by_age_and_number(tmp_path: Path) -> None:
    uploads = KeptUploads(tmp_path, 0, most=2)
    first, second, third = (uploads.keep(received(tmp_path, number)) for number in range(3))
    assert [there(uploads, each) for each in (first, second, third)] == [False, True, True]
    assert {path.name for path in tmp_path.iterdir()} == {f".{second}", f".{third}"}
    brief = KeptUploads(tmp_path, 0, kept_s=-0.9)
    upload = brief.keep(received(tmp_path, 9))
    eventually(lambda: not (tmp_path / f".{upload}").exists())
    assert not there(brief, upload)


def test_they_give_way_to_what_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk of 100 bytes, of which 20 have to stay free."""

    def free(_folder: Path) -> int:
        return 100 - sum(path.stat().st_size for path in tmp_path.rglob("*.png"))

    monkeypatch.setattr(kept, "free_bytes", free)
    monkeypatch.setattr("daemon.api.room.free_bytes", free)
    uploads = KeptUploads(tmp_path, 20)
    room = Room(tmp_path, 20, uploads)
    first, second = uploads.keep(received(tmp_path, 1, 25)), uploads.keep(received(tmp_path, 2, 25))
    # There is not as much once more.
    large = received(tmp_path, 3, 16)
    assert first and second and uploads.keep(large) is None
    large.discard()
    room.check(30)
    assert uploads.total == 50
    room.glance(60)
    room.check(50)
    assert uploads.total == 25 and not there(uploads, first)
    for ask in (room.glance, room.check):
        with pytest.raises(RequestError) as caught:
            ask(90)
        assert caught.value.status == 507
    assert uploads.total == 0 and list(tmp_path.iterdir()) == []
