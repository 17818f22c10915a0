"""`mode = "join"`: a Ray that somebody else has started, and that ends and comes back as it likes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from daemon.cluster.building import make_executor
from tests.daemon.cluster.conftest import LOCAL, ROOT, Clustered, film
from tests.daemon.cluster.test_local import SIZE, Poller, alone
from tests.daemon.conftest import eventually, make_config, png
from tests.daemon.work.test_segments import coded

__all__ = ["alone"]
StartCluster = Callable[..., Clustered]
pytestmark = pytest.mark.long


class Ray:
    """Ray on the loopback interface, with two places for the processor."""

    def __init__(self, temporary: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._temporary = temporary
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **more: str) -> None:
        words = [str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", "--port", str(self.port)]
        words += ["--node-ip-address", "127.0.0.1", "--num-cpus", "2", "--num-gpus", "2", "--disable-usage-stats"]
        words += ["--include-dashboard", "false", "--temp-dir", self._temporary]
        variables = {
            "PYTHONPATH": str(ROOT),
            # The configuration of that machine.
            "SEEDVR2_MODEL_DEVICE": "cpu",
            "SEEDVR2_MODEL_DTYPE": "float32",
            "OMP_NUM_THREADS": str(torch.get_num_threads()),
            **more,
        }
        # Another test of this process may have hidden the GPUs, of which Ray here claims two.
        own = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
        self._process = subprocess.Popen(words, env={**own, **variables}, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def ray() -> Iterator[Ray]:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'seedvr2d[cluster]'")
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp", ignore_cleanup_errors=True) as temporary:
        made = Ray(temporary)
        yield made
        made.kill()


def joining(ray: Ray) -> dict[str, str]:
    """The settings of a service that uses it."""
    settings = {"MODE": "join", "ADDRESS": f"127.0.0.1:{ray.port}", "GPUS": "none"}
    return {f"SEEDVR2_CLUSTER_{name}": value for name, value in settings.items()}


def test_a_ray_that_wants_another_token_is_named_and_so_is_one_that_is_not_there(
    ray: Ray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "b" * 64)
    config = make_config(tmp_path, **LOCAL | joining(ray))
    executor = make_executor(config, [], lambda _report: None)
    executor.prepare()
    try:
        eventually(lambda: f"{tmp_path / 'outputs'}: No such file or directory" in executor.foreman.problems[0])
        (tmp_path / "outputs").mkdir()
        eventually(lambda: f"nothing answers at 127.0.0.1:{ray.port}" in executor.foreman.problems[0])
        ray.start(RAY_AUTH_TOKEN="a" * 64)
        eventually(lambda: "does not let this service in" in executor.foreman.problems[0], 120)
    finally:
        executor.close()


def test_a_daemon_works_in_a_ray_of_somebody_else_and_outlives_it(
    start_cluster: StartCluster, ray: Ray, tmp_path: Path, alone: Callable[[Path], list[tuple[int | None, bytes]]]
) -> None:
    ray.start()
    running = start_cluster(tmp_path / "service", **joining(ray))
    assert running.get("/api/cluster").json()["mode"] == "join"
    picture = running.submit("photo.png", png(), resolution="64")
    assert running.finished(picture)["status"] == "completed"
    clip = film(tmp_path / "clip.mp4", shots=4, frames=18)
    with Poller(running) as poller:
        job_id = running.submit("clip.mp4", clip.read_bytes(), **SIZE)
        eventually(lambda: running.segments_done(job_id) >= 2)
        ray.kill()
        problems = eventually(lambda: running.get("/health").json()["problems"])
        assert running.get(f"/api/status/{job_id}").json()["status"] == "processing"
        done = running.segments_done(job_id)
        ray.start()
        finished = running.finished(job_id)
    assert finished["status"] == "completed", finished
    assert set(poller.answers) == {200}
    assert any(f"nothing answers at 127.0.0.1:{ray.port}" in problem for problem in problems), problems
    assert running.get("/health").json()["problems"] == []
    # The picture, the plan, the segments; what had been finished is not made again.
    assert done >= 2 and running.units("made") == 1 + 1 + 12
    assert running.units("lost") <= 2
    assert coded(Path(str(finished["output_path"]))) == alone(clip)
