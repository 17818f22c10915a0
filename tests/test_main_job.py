"""The main job with nothing replaced: a daemon process, the embedded model, files dropped into its inbox."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import requests
from PIL import Image

from seedvr2.media import open_source

CLIP = Path(__file__).parents[1] / "benchmarks" / "assets" / "city.mp4"
PATIENCE_S = 240


class Daemon:
    """`python -m daemon` on folders of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.inbox, self.outputs = folder, folder / "inbox", folder / "outputs"
        self.log = folder / "daemon.log"
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "config.toml").write_text(
            "[server]\nport = 0\n[inbox]\nsettle_s = 0.2\nrescan_s = 1.0\n"
            "[model]\ndtype = 'float32'\n[defaults]\nresolution = 96\n"
        )

    def start(self) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SEEDVR2_")}
        self.log.write_text("")
        with self.log.open("ab") as stream:
            command = [sys.executable, "-m", "daemon", "--config", str(self.folder / "config.toml")]
            self.process = subprocess.Popen(command, stderr=stream, env=environment)
        self.eventually(lambda: re.search(r"listening on (http://\S+:\d+)", self.log.read_text()))

    @property
    def url(self) -> str:
        found = re.search(r"listening on (http://\S+:\d+)", self.log.read_text())
        assert found
        return found[1]

    def get(self, path: str) -> dict:
        return requests.get(self.url + path, timeout=30).json()

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(90)

    def drop(self, path: Path, name: str) -> None:
        part = self.inbox / f".{name}.part"
        shutil.copy(path, part)
        part.rename(self.inbox / name)

    def result(self, stem: str) -> Path:
        """The finished result of the source called `stem`."""
        return self.eventually(
            lambda: next((p for p in self.outputs.glob(f"{stem}_nano_*") if p.suffix != ".json"), None)
        )

    def eventually(self, ask):  # type: ignore[no-untyped-def]
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if (answer := ask()) is not None and answer is not False:
                return answer
            assert self.process is None or self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)
        raise AssertionError(f"It did not happen.\n{self.log.read_text()[-3000:]}")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path)
    daemon.start()
    yield daemon
    if daemon.process and daemon.process.poll() is None:
        assert daemon.stop() == 0, daemon.log.read_text()[-3000:]


def _mean_difference(got: np.ndarray, wanted: Image.Image) -> float:
    height, width = got.shape[:2]
    reference = np.asarray(wanted.resize((width, height), Image.Resampling.BICUBIC), np.float64)
    return float(np.abs(got.astype(np.float64) - reference).mean())


def test_a_video_a_picture_with_alpha_and_a_deep_tiff_come_out_right(daemon: Daemon, tmp_path: Path) -> None:
    y, x = np.mgrid[:60, :80]
    colours = np.stack([128 + 90 * np.sin(x / 9), 128 + 90 * np.cos(y / 7), 60 + 2 * x, 255 * (x > 40)], -1)
    picture = Image.fromarray(colours.clip(0, 255).astype(np.uint8), "RGBA")
    picture.save(tmp_path / "alpha.png")
    deep = np.stack([x * 800, y * 1000, (x + y) * 450], -1).astype(np.uint16)
    _save_deep_tiff(tmp_path / "deep.tiff", deep)

    daemon.drop(CLIP, "clip.mp4")
    daemon.drop(tmp_path / "alpha.png", "alpha.png")
    daemon.drop(tmp_path / "deep.tiff", "deep.tiff")

    with Image.open(daemon.result("alpha")) as image:
        assert (image.mode, image.size) == ("RGBA", (128, 96))
        got = np.asarray(image)
    # The colour under transparent pixels is kept as well as the rest.
    assert _mean_difference(got[..., :3], picture.convert("RGB")) < 3
    assert got[:, :56, 3].max() <= 10 and got[:, 72:, 3].min() >= 245

    with open_source(daemon.result("deep")) as source:
        assert source.info.bit_depth == 16
        (frame,) = source.frames()
    assert frame.image.dtype == np.uint16 and frame.image.shape == (96, 128, 3)
    assert len(np.unique(frame.image)) > 1000, "only 8 bits came through"
    assert abs(frame.image.astype(float).mean() / deep.astype(float).mean() - 1) < 0.03

    with av.open(str(daemon.result("clip"))) as after, av.open(str(CLIP)) as before:
        assert (after.streams.video[0].width, after.streams.video[0].height) == (170, 96)
        frames, wanted = (list(container.decode(video=0)) for container in (after, before))
        assert [frame.time for frame in frames] == [frame.time for frame in wanted]
        assert _mean_difference(frames[12].to_ndarray(format="rgb24"), wanted[12].to_image()) < 8  # nano sharpens

    daemon.eventually(lambda: len(list((daemon.inbox / "_done").glob("*.*"))) >= 3)
    assert not list((daemon.outputs).glob(".*.part*"))
    status = daemon.get("/api/queue/history")["history"]
    assert len(status) == 3 and all(entry["status"] == "completed" for entry in status)
    facts = json.loads(next(daemon.outputs.glob("alpha_nano_*.json")).read_text())
    assert facts["model"] == "nano"


def test_kill_9_in_the_middle_of_a_job_loses_nothing(daemon: Daemon) -> None:
    daemon.drop(CLIP, "clip.mp4")

    def halfway() -> bool:
        running = daemon.get("/api/queue/status")["processing"]
        return bool(running and running["progress"] > 10)

    daemon.eventually(halfway)
    assert daemon.stop(signal.SIGKILL) == -signal.SIGKILL
    assert not list(daemon.outputs.glob("*.mp4"))
    daemon.process = None
    daemon.start()
    result = daemon.result("clip")
    with av.open(str(result)) as container:
        assert len(list(container.decode(video=0))) == 24
    daemon.eventually((daemon.inbox / "_done" / "clip.mp4").exists)
    history = daemon.get("/api/queue/history?status=all")["history"]
    assert [entry["status"] for entry in history] == ["completed"]
    assert len(list(daemon.outputs.glob("*.mp4"))) == 1


def _save_deep_tiff(path: Path, pixels: np.ndarray) -> None:
    codec = av.CodecContext.create("tiff", "w")
    codec.width, codec.height, codec.pix_fmt = pixels.shape[1], pixels.shape[0], "rgb48le"
    codec.time_base = 1
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb48le")
    path.write_bytes(b"".join(bytes(packet) for packet in codec.encode(frame) + codec.encode(None)))
