"""Files that ask for more memory than there is: each is answered, and the daemon lives."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from tests.daemon.conftest import eventually
from tests.faults.conftest import Lab
from tests.faults.lab import FINISHED, Daemon
from tests.faults.mounts import needs

pytestmark = pytest.mark.long

LIMIT_MIB = 3072
# Address space counts what is only reserved too: the libraries alone take some gigabytes of it.
ADDRESS_MIB = 8192
ON_THE_PROCESSOR = {"SEEDVR2_MODEL_DEVICE": "cpu", "SEEDVR2_MODEL_GPU": "none"}
# A job of the real engine on a busy machine.
JOB_S = 300.0
Greedy = tuple[str, bytes, dict[str, object]]


def plain(width: int, height: int) -> bytes:
    """A picture of one colour: few bytes, however large it is."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(buffer, "PNG")
    return buffer.getvalue()


def greedy(kind: str) -> list[Greedy]:
    """What is sent at once: names, contents and parameters."""
    if kind == "wide":
        return [("wide.png", plain(4096, 16), {})]
    if kind == "resolution":
        return [("resolution.png", plain(64, 48), {"resolution": 16384})]
    large = plain(16000, 16000)
    count = 12 if kind == "twelve" else 1
    return [(f"large{number}.png", large, {}) for number in range(count)]


@contextmanager
def cgroup(name: str, mib: int) -> Iterator[Path]:
    """A control group that may use so much memory."""
    first, second = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    version_1 = first.is_dir()
    group = (first if version_1 else second) / name
    limit = group / ("memory.limit_in_bytes" if version_1 else "memory.max")
    try:
        group.mkdir()
        limit.write_text(str(mib << 20))
    except OSError as error:
        if group.is_dir():
            group.rmdir()
        pytest.skip(f"no control group can be made here: {error.strerror}")
    try:
        yield group
    finally:
        # The kernel counts the last process out a moment after its end.
        eventually(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


@contextmanager
def limited(lab: Lab, how: str) -> Iterator[Daemon]:
    """A daemon with the real engine that may use 3 GiB."""
    if how == "address space":
        needs("prlimit")
        before: tuple[str, ...] = ("prlimit", f"--as={ADDRESS_MIB << 20}")
        daemon = lab.daemon(before=before, settings=ON_THE_PROCESSOR, real=True)
        yield daemon
        return
    with cgroup(lab.root.name, LIMIT_MIB) as group:
        before = ("sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group))
        daemon = lab.daemon(before=before, settings=ON_THE_PROCESSOR, real=True)
        try:
            yield daemon
        finally:
            daemon.kill()


@pytest.mark.parametrize("kind", ["wide", "resolution", "large", "twelve"])
@pytest.mark.parametrize("how", ["control group", "address space"])
def test_more_than_there_is(lab: Lab, how: str, kind: str) -> None:
    """4096×16 at the defaults, resolution 16384, 16,000² in an upload, twelve of these at once, in limited memory"""
    sent = greedy(kind)
    with limited(lab, how) as daemon:
        daemon.start()
        daemon.submit("before.png", resolution=64)
        with ThreadPoolExecutor(len(sent)) as pool:
            answers = list(pool.map(lambda file: daemon.offer(file[0], file[1], **file[2]), sent))
        lab.fault(len(sent))
        for answer in answers:
            assert answer.status_code == 200 or answer.json()["error"].endswith("."), answer.text
            assert answer.status_code < 500 or answer.status_code in (503, 507), answer.text
        last = daemon.submit("after.png", resolution=64)
        ends = {job_id: ended(daemon, job_id) for job_id in daemon.accepted}
        assert ends[last]["status"] == "completed", ends[last]
        for end in ends.values():
            assert end["status"] == "completed" or str(end["error"]).endswith("."), end
        assert daemon.alive and daemon.health()["status"] == "healthy"
        lab.checked(len(ends))


def test_more_than_there_is_in_the_inbox(lab: Lab) -> None:
    """a picture of 16,000² in the inbox, in limited memory"""
    with limited(lab, "control group") as daemon:
        daemon.start()
        daemon.drop("large.png", plain(16000, 16000))
        lab.fault()
        last = daemon.submit("after.png", resolution=64)
        assert ended(daemon, last)["status"] == "completed"
        gone = daemon.inbox / daemon.dropped[0]
        deadline = time.monotonic() + JOB_S
        while gone.exists() and time.monotonic() < deadline:
            assert daemon.alive
            time.sleep(0.2)
        assert daemon.alive
        (reason,) = (daemon.inbox / "_failed").glob("*.error.txt")
        assert reason.read_text().strip().endswith(".")


def ended(daemon: Daemon, job_id: str) -> dict[str, object]:
    """The task once it is finished, however long that takes."""
    deadline = time.monotonic() + JOB_S
    while (status := daemon.status(job_id)).get("status") not in FINISHED:
        assert time.monotonic() < deadline and daemon.alive, f"{status}\n{daemon.log}"
        time.sleep(0.2)
    return status
