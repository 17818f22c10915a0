"""Places that share no folder with the service: sources go there, what they make comes back."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.daemon.cluster.conftest import Clustered, film
from tests.daemon.cluster.gated_gateway import WAIT
from tests.daemon.cluster.test_local import SIZE, alone, slots
from tests.daemon.conftest import eventually, png
from tests.daemon.work.test_segments import coded

__all__ = ["alone"]
StartCluster = Callable[..., Clustered]
GATED = "tests.daemon.cluster.gated_gateway"
DISK_BYTES = 2 << 20


@pytest.fixture(scope="module")
def apart(start_cluster: StartCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clustered]:
    """One whose places are sent all that they work on, and have a small disk for it, where one can be mounted."""
    folder = tmp_path_factory.mktemp("apart")
    disk = folder / "state/place"
    disk.mkdir(mode=0o700, parents=True)
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "tmpfs", str(disk)]
    mounted = os.geteuid() == 0 and subprocess.run(mounting, capture_output=True, check=False).returncode == 0
    try:
        yield start_cluster(folder, GATED, SEEDVR2_CLUSTER_SHARE="never")
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture
def full(apart: Clustered) -> None:
    """For tests that fill that disk."""
    if not place(apart).is_mount():
        pytest.skip("a small disk has to be mounted, which needs root")


def place(running: Clustered) -> Path:
    """The folder of the places."""
    return Path(running.config.paths.state) / "place"


@pytest.fixture
def gate(apart: Clustered) -> Iterator[Path]:
    """As long as this file is there no source arrives."""
    file = place(apart) / WAIT
    file.touch()
    yield file
    file.unlink(missing_ok=True)


def copies(running: Clustered) -> dict[str, bytes]:
    """What is kept of sources, by name."""
    folder = place(running) / "sources"
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.name != "lock"}


def left(running: Clustered) -> list[Path]:
    """What places have made and not removed."""
    files = [file for file in (place(running) / "work").rglob("*") if file.is_file() and not file.is_symlink()]
    return [file for file in files if file.name != "lock"]


def carried(running: Clustered, direction: str) -> int:
    """Bytes that have travelled, as Prometheus hears."""
    lines = running.get("/metrics").text.splitlines()
    found = [line for line in lines if line.startswith("seedvr2_transfer_bytes_total") and f'"{direction}"' in line]
    return sum(int(float(line.rpartition(" ")[2])) for line in found)


def test_a_film_made_of_what_was_sent_once_is_the_same(
    apart: Clustered, tmp_path: Path, alone: Callable[[Path], list[tuple[int | None, bytes]]]
) -> None:
    made, sent = apart.units("made"), carried(apart, "to")
    assert [shown["shared"] for shown in apart.get("/api/cluster").json()["places"]] == [False, False]
    clip = film(tmp_path / "clip.mp4", shots=2)
    job_id = apart.submit("clip.mp4", clip.read_bytes(), **SIZE)
    done = apart.finished(job_id)
    assert done["status"] == "completed", done
    assert coded(Path(str(done["output_path"]))) == alone(clip)
    assert apart.units("made") - made == 1 + 6
    source = clip.read_bytes()
    assert copies(apart)[hashlib.sha256(source).hexdigest()] == source
    eventually(lambda: carried(apart, "to") - sent == len(source))
    assert carried(apart, "from") > 1000
    eventually(lambda: left(apart) == [])


def test_a_picture_comes_back_whole_and_goes_once(apart: Clustered) -> None:
    sent, picture = carried(apart, "to"), png("olive")
    for name in ("photo.png", "again.png"):
        done = apart.finished(apart.submit(name, picture, resolution="64"))
        assert done["status"] == "completed", done
        with Image.open(str(done["output_path"])) as image:
            assert min(image.size) == 64
            image.load()
    eventually(lambda: left(apart) == [])
    assert carried(apart, "to") - sent == len(picture)
    assert [path.stat().st_mode & 0o777 for path in (place(apart), place(apart) / "sources")] == [0o700, 0o700]


def test_what_is_being_sent_is_told_and_can_be_cancelled(apart: Clustered, gate: Path) -> None:
    before = slots(apart)
    job_id = apart.submit("photo.png", png("navy"), resolution="64")
    eventually(lambda: apart.get(f"/api/status/{job_id}").json()["stage"] == "sending")
    began = time.monotonic()
    apart.post(f"/api/tasks/{job_id}/cancel")
    assert apart.finished(job_id)["status"] == "cancelled"
    assert time.monotonic() - began < 20
    assert all(shown.state == "idle" for shown in apart.cluster.foreman.places)
    gate.unlink()
    # The next one is made in the same process.
    other = apart.submit("photo.png", png("plum"), resolution="64")
    assert apart.finished(other)["status"] == "completed"
    assert slots(apart) == before
    assert not any(name.endswith(".part") for name in copies(apart))


def test_a_slot_that_is_killed_while_it_is_sent_something_costs_nobody_an_attempt(apart: Clustered, gate: Path) -> None:
    lost = apart.units("lost")
    picture = png("salmon")
    job_id = apart.submit("photo.png", picture, resolution="64")
    eventually(lambda: apart.get(f"/api/status/{job_id}").json()["stage"] == "sending")
    part = place(apart) / "sources" / f"{hashlib.sha256(picture).hexdigest()}.part"
    eventually(part.exists)
    for slot in slots(apart):
        os.kill(slot, signal.SIGKILL)
    gate.unlink()
    assert apart.finished(job_id)["status"] == "completed"
    assert apart.units("lost") == lost
    assert not part.exists()
    eventually(lambda: left(apart) == [])


@pytest.mark.usefixtures("full")
def test_a_source_for_which_a_place_has_no_room_waits_and_says_what_to_do(apart: Clustered, tmp_path: Path) -> None:
    source = film(tmp_path / "clip.mp4", shots=1).read_bytes() + bytes(2 * DISK_BYTES)
    job_id = apart.submit("clip.mp4", source, **SIZE)
    why = eventually(lambda: apart.get(f"/api/status/{job_id}").json().get("waiting_for"))
    assert f"{place(apart)}/sources" in why and "and the source has 4 MB; free some there" in why
    assert any("free some there" in problem for problem in apart.get("/health").json()["problems"])
    apart.post(f"/api/tasks/{job_id}/cancel")
    assert apart.finished(job_id)["status"] == "cancelled"


@pytest.mark.long
@pytest.mark.usefixtures("full")
def test_a_disk_that_fills_up_over_a_unit_costs_no_attempt(apart: Clustered) -> None:
    eventually(lambda: apart.cluster.capacity == 2)
    before = {what: apart.units(what) for what in ("lost", "failed")}
    ballast = place(apart) / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(place(apart)).free - 40_000))
    noise = Image.effect_noise((96, 96), 100)
    buffer = io.BytesIO()
    noise.save(buffer, "PNG")
    job_id = apart.submit("photo.png", buffer.getvalue(), resolution="256")
    problems = eventually(lambda: apart.get("/health").json()["problems"])
    assert "it cannot work with its disk: The disk is full: result." in problems[0]
    ballast.unlink()
    assert apart.finished(job_id)["status"] == "completed"
    assert {what: apart.units(what) for what in ("lost", "failed")} == before
    eventually(lambda: left(apart) == [])
