"""Half a copy, closed and left alone for a while, is not taken for the whole."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.engine.decoding import look_into
from daemon.engine.executor import Outcome
from daemon.jobs.job import Media, State
from seedvr2.media import open_source
from tests.daemon.conftest import Running, Start, eventually
from tests.daemon.executors import FakeExecutor
from tests.seedvr2.media.test_completeness import CONTAINERS, clip, cuts

FAST = {"movflags": "faststart"}


class Looking(FakeExecutor):
    """Looks into files as the product does."""

    def probe(self, path: Path) -> Media:
        return look_into(path)

    def run(self, source: Path, target: Path, *more, **named) -> Outcome:  # type: ignore[no-untyped-def]
        with open_source(source) as opened:
            warnings = opened.warnings
        return replace(super().run(source, target, *more, **named), warnings=warnings)


def half_of(content: bytes) -> bytes:
    return content[: len(content) * 55 // 100]


def tried(running: Running, count: int) -> None:
    """Wait until each of so many files was looked into."""
    settler = running.service.inbox._turns._settler
    eventually(lambda: sum(settler.tried(path) for path in list(settler._files)) >= count)


def test_halves_of_every_container_wait_for_the_rest(start: Start, tmp_path: Path) -> None:
    running = start(Looking(), SEEDVR2_INBOX_GIVE_UP_S="3600")
    wholes = {}
    for number, (suffix, codec, options) in enumerate(CONTAINERS):
        whole = clip(tmp_path / f"clip{number}.{suffix}", codec, options)
        wholes[whole.name] = whole.read_bytes()
        (running.inbox / whole.name).write_bytes(wholes[whole.name][: cuts(whole)[2]])
    tried(running, len(wholes))
    assert running.service.store.open_jobs() == running.history() == []
    for name, content in wholes.items():
        with (running.inbox / name).open("ab") as file:
            file.write(content[file.tell() :])
    eventually(lambda: len(running.history()) == len(wholes))
    assert {job.state for job in running.history()} == {State.COMPLETED}
    assert sorted(path.read_bytes() for path in running.results()) == sorted(wholes.values())
    assert {path.name for path in (running.inbox / "_done").iterdir()} == set(wholes)
    assert not (running.inbox / "_failed").exists()


def test_the_rest_may_come_in_many_parts(start: Start, tmp_path: Path) -> None:
    running = start(Looking(), SEEDVR2_INBOX_GIVE_UP_S="3600")
    content = clip(tmp_path / "clip.mp4", "libx264", FAST).read_bytes()
    for share in (30, 60, 90):
        (running.inbox / "clip.mp4").write_bytes(content[: len(content) * share // 100])
        tried(running, 1)
    (running.inbox / "clip.mp4").write_bytes(content)
    eventually(lambda: len(running.history()) == 1)
    assert running.results()[0].read_bytes() == content


def test_a_recording_of_which_no_more_comes_is_made_with_a_warning(start: Start, tmp_path: Path) -> None:
    running = start(Looking())
    content = clip(tmp_path / "clip.mp4", "libx264", FAST).read_bytes()
    (running.inbox / "clip.mp4").write_bytes(half_of(content))
    (job,) = eventually(running.history)
    assert job.state is State.COMPLETED
    assert job.result is not None
    said = f"it says that it has at least {len(content)} bytes, and it has {len(half_of(content))}."
    assert job.result.warnings[0] == f"The file is incomplete: {said}"
    assert said in (running.results()[0].with_name(running.results()[0].name + ".json")).read_text()
    assert (running.inbox / "_done" / "clip.mp4").exists()


def test_half_a_video_that_cannot_be_decoded_fails_in_the_end(start: Start, tmp_path: Path) -> None:
    running = start(Looking())
    content = clip(tmp_path / "clip.mp4", "libx264", {}).read_bytes()
    (running.inbox / "clip.mp4").write_bytes(half_of(content))
    eventually((running.inbox / "_failed" / "clip.mp4.error.txt").exists)
    assert (running.inbox / "_failed" / "clip.mp4").read_bytes() == half_of(content)
    (refusal,) = eventually(running.history)
    assert refusal.error == (running.inbox / "_failed" / "clip.mp4.error.txt").read_text().strip()


def test_half_an_upload_is_made_with_a_warning(start: Start, tmp_path: Path) -> None:
    running = start(Looking())
    content = clip(tmp_path / "clip.mp4", "libx264", FAST).read_bytes()
    status = running.finished(running.submit("clip.mp4", half_of(content)))
    assert status["status"] == "completed"
    (job,) = running.history()
    assert job.result is not None
    assert job.result.warnings[0].startswith("The file is incomplete: ")


def test_what_is_waited_for_is_said_once(start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    running = start(Looking(), SEEDVR2_INBOX_GIVE_UP_S="1")
    content = clip(tmp_path / "clip.mp4", "libx264", FAST).read_bytes()
    (running.inbox / "clip.mp4").write_bytes(half_of(content))
    eventually(running.history)
    assert caplog.text.count("since more of it may come") == 1
