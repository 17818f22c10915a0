"""A dozen large pictures at once: each is answered, and the process lives."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from daemon.engine.decoding import DecodingGate
from seedvr2.errors import OutOfMemoryError
from seedvr2.planning import host_memory

ROOT = Path(__file__).parents[3]
# Twelve probes of one file at once, and what came of each.
PROBES = """
import os, sys, threading
from pathlib import Path
group = sys.argv[2]
if group:
    (Path(group) / "cgroup.procs").write_text(str(os.getpid()))
from daemon.engine.local_executor import LocalExecutor
from daemon.settings.keys import ModelSettings
from seedvr2.errors import SeedVR2Error
executor = LocalExecutor(Path("models"), ModelSettings(device="cpu"))
def probe():
    try:
        media = executor.probe(Path(sys.argv[1]))
        print(f"taken {media.width}\\n", end="")
    except SeedVR2Error as error:
        print(f"{type(error).__name__} {error}\\n", end="")
threads = [threading.Thread(target=probe) for _ in range(int(sys.argv[3]))]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("alive")
"""


def bomb(folder: Path, edge: int) -> Path:
    path = folder / "bomb.png"
    Image.new("RGB", (edge, edge)).save(path)
    assert path.stat().st_size < 1_000_000
    return path


@pytest.fixture
def group(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A memory group of so many MiB."""
    tops = [folder for folder, _, _ in host_memory._memory_folders(Path("/"))]
    top = next((folder for folder in tops if (folder / "memory.limit_in_bytes").exists()), None)
    if os.geteuid() != 0 or top is None or not os.access(top, os.W_OK):
        pytest.skip("no group can be made here")
    made: Path = top / f"seedvr2-probes-{os.getpid()}"
    made.mkdir()
    (made / "memory.limit_in_bytes").write_text(str(request.param << 20))
    yield made
    made.rmdir()


def probes(path: Path, group: Path | None, count: int = 12) -> list[str]:
    command = [sys.executable, "-c", PROBES, path, str(group or ""), str(count)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 0, f"killed: {run.returncode} {run.stderr[-500:]}"
    return run.stdout.splitlines()


@pytest.mark.parametrize(
    ("edge", "group"),
    [(7000, 768), pytest.param(16000, 3072, marks=pytest.mark.long)],
    indirect=["group"],
)
@pytest.mark.long
def test_twelve_at_once(edge: int, group: Path, tmp_path: Path) -> None:
    """The pixels of all twelve together would be three times what the group may have."""
    *answers, last = probes(bomb(tmp_path, edge), group)
    assert last == "alive" and len(answers) == 12
    assert f"taken {edge}" in answers
    for answer in answers:
        # On a slow machine the minute may be over before it is the last one's turn.
        assert answer.startswith((f"taken {edge}", "OutOfMemoryError Too many large files are being read"))


@pytest.mark.parametrize("group", [768], indirect=True)
def test_one_that_can_never_be_decoded_is_refused_for_good(group: Path, tmp_path: Path) -> None:
    *answers, last = probes(bomb(tmp_path, 12000), group, count=3)
    assert last == "alive" and len(answers) == 3
    for answer in answers:
        assert answer.startswith("TooLargeError bomb.png has too many pixels for this machine: ")
        assert "decoding it takes 576 MB" in answer


def test_two_are_let_in_and_the_third_waits() -> None:
    gate, inside, leave = DecodingGate(), threading.Semaphore(0), threading.Event()

    def work() -> None:
        with gate.hold("a.png", 1):
            inside.release()
            leave.wait()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert inside.acquire(timeout=10) and inside.acquire(timeout=10)
    assert not inside.acquire(timeout=0.2)
    leave.set()
    assert inside.acquire(timeout=10)
    for thread in threads:
        thread.join()


def test_needs_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_memory, "obtainable", lambda: 1000)
    gate = DecodingGate(patience_s=0.1)
    with gate.hold("a.png", 600):
        with gate.hold("b.png", 400):
            pass
        with pytest.raises(OutOfMemoryError, match=r"Too many large files are being read to look into c\.png"):
            gate.hold("c.png", 401).__enter__()
    # Alone it is let in: what it needs too much is for the engine to say.
    with gate.hold("c.png", 2000):
        pass
