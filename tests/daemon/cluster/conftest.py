"""A service with a cluster of its own: two places on the processor, and nano."""

from __future__ import annotations

import contextlib
import ipaddress
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
import torch

from daemon.cluster.building import make_executor
from daemon.cluster.executor import ClusterExecutor
from daemon.service import Service
from tests.daemon.conftest import PATIENCE_S, Running, eventually, make_config
from tests.seedvr2.media.clips import write_video
from tests.seedvr2.segments.scenes import pixels, scene

LOCAL = {
    "SEEDVR2_MODEL_DEVICE": "cpu",
    "SEEDVR2_MODEL_DTYPE": "float32",
    "SEEDVR2_CLUSTER_MODE": "local",
    "SEEDVR2_CLUSTER_GPUS": "0,1",
}
SHORT = "tests.daemon.cluster.short_gateway"
ROOT = Path(__file__).parents[3]


class Clustered(Running):
    """A service with a cluster."""

    @property
    def cluster(self) -> ClusterExecutor:
        assert isinstance(self.service.executor, ClusterExecutor)
        return self.service.executor

    def units(self, what: str) -> int:
        """How many units were made, lost…"""
        return sum(count for (_, result), count in self.cluster.foreman.units.items() if result == what)

    def segments_done(self, job_id: str) -> int:
        return int(self.get(f"/api/status/{job_id}").json().get("segments_done") or 0)


def begin(folder: Path, main: str = SHORT, **environment: str) -> Clustered:
    """Start one, and wait for its places."""
    config = make_config(folder, **LOCAL | environment)
    service = Service(config, make_executor(config, list(config.paths.models), lambda _report: None, main))
    service.start()
    assert service.inbox.scanned.wait(PATIENCE_S)
    running = Clustered(service)
    try:
        eventually(lambda: running.cluster.capacity == 2)
    except AssertionError:
        service.stop()
        raise
    return running


@pytest.fixture(scope="module")
def start_cluster() -> Iterator[Callable[..., Clustered]]:
    """Starts services with a cluster; ends those that still run."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'seedvr2d[cluster]'")
    started: list[Clustered] = []

    def start(folder: Path, main: str = SHORT, **environment: str) -> Clustered:
        started.append(begin(folder, main, **environment))
        return started[-1]

    with pytest.MonkeyPatch.context() as patch:
        # As many threads as what the results are compared with.
        patch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))
        yield start
        for running in started:
            running.service.stop()


@pytest.fixture(scope="module")
def clustered(start_cluster: Callable[..., Clustered], tmp_path_factory: pytest.TempPathFactory) -> Clustered:
    """One that the tests of a module share, since Ray takes seconds to start."""
    return start_cluster(tmp_path_factory.mktemp("clustered"))


def film(path: Path, shots: int = 2, frames: int = 15) -> Path:
    """A clip of `shots` scenes."""
    return write_video(path, list(pixels(*[scene(seed, frames, step=1) for seed in range(shots)])))


def child_of(pid: int, name: str) -> int:
    """The number of the child of that name of a process."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == name:
                return int(child)
    raise AssertionError(f"{pid} has no child {name}")


def is_there(pid: int) -> bool:
    """Whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def family_of(pid: int) -> set[int]:
    """A process and all that it has started, and what these have."""
    found = {pid}
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                found |= family_of(int(child))
    return found


def listening(pids: Iterable[int], network: Path = Path("/proc/self/net")) -> set[tuple[str, int]]:
    """The addresses and ports at which any of these processes listens for TCP."""
    ours = set()
    for file in (file for pid in pids for file in Path(f"/proc/{pid}/fd").glob("*")):
        # Closed in the meantime.
        with contextlib.suppress(OSError):
            ours.add(str(file.readlink()))
    found = set()
    for table in ("tcp", "tcp6"):
        for line in (network / table).read_text().splitlines()[1:]:
            words = line.split()
            # 0A is LISTEN; addresses are words of four bytes in the machine's order.
            if words[3] == "0A" and f"socket:[{words[9]}]" in ours:
                digits, port = words[1].split(":")
                packed = b"".join(bytes.fromhex(digits[at : at + 8])[::-1] for at in range(0, len(digits), 8))
                address = ipaddress.ip_address(packed)
                found.add((str(getattr(address, "ipv4_mapped", None) or address), int(port, 16)))
    return found
