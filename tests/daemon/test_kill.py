"""SIGKILL at random instants: no good file is lost, blamed or done twice, every result is whole, nothing is left."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests
from PIL import Image

from tests.daemon.conftest import eventually, picture, png

ROOT = Path(__file__).parents[2]
CONFIG = """
[server]
port = 0
[inbox]
settle_s = 0.05
rescan_s = 0.5
[jobs]
min_free_mb = 0
history_count = 100000
"""


class Victim:
    """One process after the other on the same folders, under a stream of submissions."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.chance = random.Random(seed)
        self.acknowledged: dict[str, str] = {}
        self.sent = self.dropped = 0
        (folder / "config.toml").write_text(CONFIG)
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> str:
        """Start a process and answer its address once it listens."""
        command = [sys.executable, "-m", "tests.daemon.kill_target", "--config", str(self.folder / "config.toml")]
        self._process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        said = []
        for line in self._process.stderr:
            said.append(line)
            if "listening on " in line:
                threading.Thread(target=self._drain, args=(self._process,), daemon=True).start()
                return line.split("listening on ")[1].split(",")[0]
        self._process.stderr.close()
        raise AssertionError("it did not start:\n" + "".join(said))

    def kill_while_submitting(self) -> None:
        """Start, submit until a random moment, kill."""
        url = self.start()
        assert self._process is not None
        moment = threading.Timer(self.chance.uniform(0, 0.35), self._process.kill)
        moment.start()
        with contextlib.suppress(requests.RequestException), requests.Session() as session:
            while self._process.poll() is None:
                if self.chance.random() < 0.2:
                    self.dropped += 1
                    picture(self.folder / "inbox" / f"dropped{self.dropped:05}.png", "red", (8 + self.dropped % 50, 9))
                self.sent += 1
                name = f"sent{self.sent:05}"
                files = {"file": (f"{name}.png", png(size=(10 + self.sent % 50, 7)))}
                answer = session.post(f"{url}/api/process", files=files, timeout=10)
                if answer.status_code == 200:
                    self.acknowledged[answer.json()["task_id"]] = name
        moment.cancel()
        self._process.wait()

    def stop(self) -> None:
        """End the last process orderly."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(30) == 0

    def give_up(self) -> None:
        """Leave no process behind when the test has failed."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @staticmethod
    def _drain(process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with contextlib.suppress(ValueError), process.stderr:
            for _line in process.stderr:
                pass


@pytest.mark.parametrize("kills", [2, pytest.param(200, marks=pytest.mark.long)])
def test_nothing_acknowledged_is_lost_or_done_twice(tmp_path: Path, kills: int) -> None:
    victim = Victim(tmp_path, seed=kills)
    try:
        for _ in range(kills):
            victim.kill_while_submitting()
        check(victim, victim.start())
        victim.stop()
    finally:
        victim.give_up()


def until_quiet(url: str, inbox: Path) -> None:
    """Wait until nothing is left to do, as long as it gets less."""
    left = 10**9
    while True:
        before = left

        def fewer(before: int = before) -> int | None:
            status = requests.get(f"{url}/api/queue/status", timeout=10).json()
            now = int(status["in_system"]) + len(list(inbox.glob("*.png")))
            return now + 1 if now < before else None

        left = eventually(fewer, 60) - 1
        if left == 0:
            return


def check(victim: Victim, url: str) -> None:
    """Account for every job and every file."""
    inbox, outputs = victim.folder / "inbox", victim.folder / "outputs"
    until_quiet(url, inbox)
    time.sleep(0.5)
    assert victim.acknowledged
    for job_id, name in victim.acknowledged.items():
        status = requests.get(f"{url}/api/status/{job_id}", timeout=10).json()
        assert status["status"] == "completed", status
        assert [each.name for each in outputs.glob(f"{name}_*.png")] == [status["output_filename"]]
    for number in range(1, victim.sent + 1):
        assert len(list(outputs.glob(f"sent{number:05}_*.png"))) <= 1
    for number in range(1, victim.dropped + 1):
        check_dropped(inbox, outputs, f"dropped{number:05}")
    for result in outputs.glob("*.png"):
        with Image.open(result) as image:
            image.load()
        assert result.with_name(result.name + ".json").is_file()
    history = requests.get(f"{url}/api/queue/history?limit=1000&status=all", timeout=10).json()["history"]
    assert len({entry["id"] for entry in history}) == len(history)
    check_litter(victim.folder)
    print(f"{len(victim.acknowledged)} acknowledged and completed, {victim.dropped} dropped")


def check_dropped(inbox: Path, outputs: Path, name: str) -> None:
    """A dropped file is among the done, and has one result."""
    assert (inbox / "_done" / f"{name}.png").is_file(), name
    assert not list((inbox / "_failed").glob(f"{name}*")), name
    assert len(list(outputs.glob(f"{name}_*.png"))) == 1, name


def check_litter(folder: Path) -> None:
    """What is left in the folders belongs to a job that is known, or marks a folder as the daemon's."""
    lines = (folder / "state" / "history.jsonl").read_text().splitlines()
    sources = {record["job"]["draft"]["source"] for record in map(json.loads, lines) if "job" in record}
    media = (*folder.glob("state/uploads/**/*"), *folder.glob("outputs/.work/**/*"))
    pictures = [str(file) for file in media if file.is_file() and file.read_bytes().startswith(b"\x89PNG")]
    assert set(pictures) <= sources
    # A file is written under such a name first, and takes its own once it is whole.
    assert not [file for file in folder.rglob("*") if file.name.endswith((".tmp", ".part"))]
