"""Files of strangers are looked into by processes of their own: what a file does to one of them stays in there."""

from __future__ import annotations

import io
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from daemon.engine import probers
from seedvr2.errors import MachineError, MediaError, OutOfMemoryError
from tests.daemon.conftest import Start, eventually, picture, png
from tests.daemon.engine.conftest import Control, Make
from tests.daemon.engine.test_local_executor import clip
from tests.seedvr2.media import clips


def test_what_files_are(make: Make, tmp_path: Path) -> None:
    executor = make()
    media = executor.probe(clip(tmp_path / "a.mp4"))
    assert (media.kind, media.width, media.height, media.frames, media.fps) == ("video", 48, 32, 6, 10.0)
    media = executor.probe(picture(tmp_path / "a.png"))
    assert (media.kind, media.width, media.height, media.frames) == ("picture", 32, 24, 1)
    (tmp_path / "text.mp4").write_text("no video")
    for name in ("text.mp4", "missing.png"):
        with pytest.raises(MediaError, match=name):
            executor.probe(tmp_path / name)
    assert executor.pid is None, "the engine is not needed for that"


def test_what_transparent_videos_are(make: Make, tmp_path: Path) -> None:
    """Their results are to be transparent too."""
    executor = make()
    glass = np.dstack([clips.picture(48, 32), np.full((32, 48), 100, np.uint8)])
    options = {"cpu-used": "8", "b": "1M", "auto-alt-ref": "0"}
    clips.write_video(tmp_path / "a.webm", [glass] * 2, codec="libvpx-vp9", layout="yuva420p", options=options)
    clips.write_video(tmp_path / "a.mov", [glass] * 2, codec="qtrle", layout="argb", options={})
    names = ("a.webm", "a.mov")
    assert [executor.probe(tmp_path / name).formats[0] for name in names] == ["webm", "mov"]
    assert executor.probe(clip(tmp_path / "a.mp4")).formats == ("mp4", "mkv", "webm", "mov")


@pytest.mark.parametrize(
    "end", ["crashes", "babbles", *(pytest.param(end, marks=pytest.mark.long) for end in ("aborts", "exits", "closes"))]
)
def test_one_crash_may_be_chance_and_two_are_the_file(make: Make, control: Control, tmp_path: Path, end: str) -> None:
    executor, path = make(), picture(tmp_path / "bad.png")
    control(f"probe.{end}.bad", 1)
    assert executor.probe(path).width == 32
    control(f"probe.{end}.bad", 2)
    with pytest.raises(MediaError, match=r"bad\.png ends the program that reads it"):
        executor.probe(path)
    assert executor.probe(picture(tmp_path / "good.png")).width == 32


def test_what_the_system_kills_is_short_of_memory(make: Make, control: Control, tmp_path: Path) -> None:
    executor, path = make(), picture(tmp_path / "bad.png")
    control("probe.killed.bad", 2)
    with pytest.raises(OutOfMemoryError, match="memory is short"):
        executor.probe(path)
    assert executor.probe(path).width == 32


@pytest.mark.long
def test_a_file_that_never_ends_and_a_disk_that_does_not_answer(
    make: Make, control: Control, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probers, "PROBE_S", 2.0)
    executor, path = make(), picture(tmp_path / "bad.png")
    control("probe.burns.bad", 1)
    with pytest.raises(MediaError, match="not decoded within 2 s"):
        executor.probe(path)
    control("probe.hangs.bad", 1)
    with pytest.raises(MachineError, match="its disk may be gone"):
        executor.probe(path)
    assert executor.probe(path).width == 32


def test_no_more_than_two_processes_whoever_asks(make: Make, tmp_path: Path) -> None:
    executor, path = make(), picture(tmp_path / "a.png")
    seen: set[int] = set()

    def probe() -> None:
        for _ in range(5):
            assert executor.probe(path).width == 32
            seen.update(pids())

    threads = [threading.Thread(target=probe) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= len(seen) <= 2
    executor.unload()
    assert not pids()


def test_a_process_is_kept_for_so_many_files(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probers, "MOST_PROBES", 3)
    executor, path = make(), picture(tmp_path / "a.png")
    seen = []
    for _ in range(3):
        seen.append(pids())
        executor.probe(path)
    assert seen[1] == seen[2] and len(seen[1]) == 1
    executor.probe(path)
    assert pids() != seen[1]


def test_one_that_died_in_between_is_not_asked(make: Make, tmp_path: Path) -> None:
    executor, path = make(), picture(tmp_path / "a.png")
    executor.probe(path)
    (pid,) = pids()
    os.kill(pid, signal.SIGKILL)
    assert executor.probe(path).width == 32
    eventually(lambda: not Path(f"/proc/{pid}").exists())


def test_a_file_that_crashes_decoders_is_put_aside_and_the_service_lives(
    start: Start, make: Make, control: Control
) -> None:
    executor = make()
    control("probe.crashes.bad", 1000)
    running = start(executor)
    picture(running.inbox / "bad.png")
    picture(running.inbox / "good.png")
    eventually((running.inbox / "_failed" / "bad.png").exists)
    eventually((running.inbox / "_done" / "good.png").exists)
    answer = running.post("/api/process", files={"file": ("bad.png", png())})
    assert answer.status_code == 400 and "ends the program that reads it" in answer.text
    running.submit("good.png")


def test_a_thumbnail_is_made_in_there_too(start: Start, make: Make, control: Control) -> None:
    running = start(make())
    control("draw.crashes.bad", 2)
    bad, good = running.submit("bad.png"), running.submit("good.png")
    assert running.get(f"/api/thumbnail/{bad}").status_code == 404
    answer = running.get(f"/api/thumbnail/{good}")
    assert answer.status_code == 200
    with Image.open(io.BytesIO(answer.content)) as stamp:
        assert (stamp.format, stamp.size) == ("WEBP", (32, 24))
    # Twice in a row only.
    assert running.get(f"/api/thumbnail/{bad}").status_code == 200


def pids() -> list[int]:
    """The processes of this one that look into files."""
    found = []
    for thread in Path("/proc/self/task").iterdir():
        try:
            children = (thread / "children").read_text().split()
        except OSError:
            continue
        found += [int(pid) for pid in children if b"prober" in _command(pid)]
    return found


def _command(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
