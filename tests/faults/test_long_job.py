"""A video of sixty segments on a disk that refuses again and again: nothing that is done is lost to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import av
import pytest

from daemon.engine.local_executor import LocalExecutor
from daemon.service import Service
from daemon.settings.keys import ModelSettings
from seedvr2 import UpscaleOptions, Upscaler
from seedvr2 import attempts as engine
from tests.daemon.conftest import Running, eventually, make_config
from tests.faults.conftest import Lab
from tests.faults.mounts import Ext4, ReadOnly
from tests.seedvr2.media.clips import write_video
from tests.seedvr2.segments.scenes import pixels, scene

pytestmark = pytest.mark.long
SEGMENTS = 60
TITLES = "1\n00:00:00,200 --> 00:00:00,900\nOne\n\n2\n00:00:01,200 --> 00:00:01,900\nTwo\n"


class Fault(Protocol):
    """What is wrong with a disk, as long as it lasts."""

    def begin(self, disk: Ext4) -> None:
        """From now on."""

    def end(self) -> None:
        """Over."""


class Full:
    """It has no room."""

    def begin(self, disk: Ext4) -> None:
        self._disk = disk
        disk.fill()

    def end(self) -> None:
        self._disk.free()


class Unwritable:
    """It is read-only."""

    def begin(self, disk: Ext4) -> None:
        self._mount = ReadOnly(disk.point)

    def end(self) -> None:
        self._mount.close()


def packets(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What a file holds, by the kind of stream, to the last byte."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size:
                found.setdefault(packet.stream.type, []).append((packet.pts, packet.duration, bytes(packet)))
    return found


def clip(folder: Path) -> Path:
    """Sixty frames with sound and subtitles."""
    film = write_video(
        folder / "film.mkv", list(pixels(scene(1, SEGMENTS, step=1))), audio=[("aac", {})], audio_seconds=2.0
    )
    titles = folder / "titles.srt"
    titles.write_text(TITLES)
    path = folder / "clip.mkv"
    with av.open(str(film)) as one, av.open(str(titles)) as two, av.open(str(path), "w") as output:
        streams = [(source, output.add_stream_from_template(source)) for source in (*one.streams, *two.streams)]
        for container in (one, two):
            for packet in container.demux():
                if packet.dts is not None:
                    packet.stream = next(target for source, target in streams if source is packet.stream)
                    output.mux(packet)
    return path


@pytest.fixture
def single_frames(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(engine, "frames_at_a_time", lambda *_args, **_more: 1)
    yield


def journal(running: Running) -> list[bytes]:
    found = list(running.outputs.glob(".work/*/*/segments/units.jsonl"))
    return found[0].read_bytes().splitlines() if found else []


@pytest.mark.parametrize("fault", [Full(), Unwritable()], ids=["full", "read-only"])
@pytest.mark.usefixtures("single_frames")
def test_outputs_refuse_three_times_during_a_long_job(lab: Lab, tmp_path: Path, fault: Fault) -> None:
    """outputs full, or read-only, three times during a video of 60 segments: the result is the undisturbed one"""
    source, asked = clip(tmp_path), UpscaleOptions(resolution=16, batch_size=1)
    upscaler = Upscaler(tmp_path / "none", device="cpu", dtype="float32", default_model="nano")
    whole = packets(upscaler.upscale(source, tmp_path / "whole.mkv", asked).path)
    disk = lab.disk("outputs")
    config = make_config(tmp_path / "daemon", SEEDVR2_PATHS_OUTPUTS=str(disk.point))
    service = Service(config, LocalExecutor(tmp_path / "none", ModelSettings(device="cpu", dtype="float32")))
    service.start()
    try:
        running = Running(service)
        job_id = running.submit("clip.mkv", source.read_bytes(), resolution="16", batch_size="1", output_format="mkv")
        for reached in (8, 24, 41):
            eventually(lambda least=reached: len(journal(running)) >= least, 120)
            fault.begin(disk)
            lab.fault()
            try:
                (problem,) = eventually(lambda: running.get("/health").json()["problems"], 60)
                assert "outputs" in problem
                before = journal(running)
                assert running.get(f"/api/status/{job_id}").json()["status"] == "queued"
            finally:
                fault.end()
            eventually(lambda done=before: journal(running)[: len(done) + 1] != done, 60)
            # Each line that was there is there still: none of these segments is made again.
            assert journal(running)[: len(before)] == before
        ended = eventually(lambda: running._if_finished(job_id), 120)
        assert ended["status"] == "completed"
        (result,) = [path for path in running.results() if path.suffix == ".mkv"]
        found = packets(result)
        assert set(found) == {"video", "audio", "subtitle"} and found == whole
        assert len(found["video"]) == SEGMENTS
        lab.checked(1)
        assert not list(running.outputs.glob(".work/*/*"))
    finally:
        service.stop()
