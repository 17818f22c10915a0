"""A daemon in a laboratory: a real process on real folders, and a note of everything that it promised."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
from PIL import Image, PngImagePlugin

from tests.daemon.conftest import QUICK, eventually

ROOT = Path(__file__).parents[2]
FOLDERS = ("inbox", "outputs", "state", "models")
NOBODY = 65534
# To start in front of the daemon's own command.
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
FINISHED = ("completed", "failed", "cancelled")
# An upload is looked into before it is answered, and large ones take turns.
ANSWER_S, START_S = 180.0, 60.0


class Daemon:
    """One daemon after the other on the same folders.

    Args:
        root: where its folders, its log and its control folder are.
        folders: those that are elsewhere.
        before: what is put in front of its command, to start it under limits.
        settings: more environment variables.
        real: with the real engine in place of the fast one.
    """

    def __init__(
        self,
        root: Path,
        folders: Mapping[str, Path] | None = None,
        before: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
        *,
        real: bool = False,
    ) -> None:
        self.root = root
        self.folders = {name: root / name for name in FOLDERS} | dict(folders or {})
        self.inbox, self.outputs, self.state = (self.folders[name] for name in FOLDERS[:3])
        self.uploads = self.folders.get("uploads", self.state / "uploads")
        self.control = root / "control"
        self.control.mkdir(parents=True, exist_ok=True)
        self.before, self.real, self.settings = tuple(before), real, dict(settings or {})
        self.accepted: dict[str, str] = {}
        self.dropped: list[Path] = []
        self.sizes: dict[str, tuple[int, int]] = {}
        self.url = ""
        self._log = root / "log.txt"
        self._process: subprocess.Popen[bytes] | None = None

    # -- its life -----------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What the present process has said."""
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    def launch(self) -> None:
        """Start the process, and do not wait for it."""
        assert not self.alive
        module = "daemon" if self.real else "tests.daemon.kill_target"
        command = [*self.before, sys.executable, "-m", module]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, env=self._environment(), stderr=log, stdout=log)

    def start(self, *, may_be_killed: bool = False) -> Daemon:
        """Start, until it answers, or until it is killed on the way where an order waits that does that."""
        sentence = self.start_or_refusal(may_be_killed=may_be_killed)
        assert sentence is None, f"it refused to start: {sentence}"
        return self

    def refusal(self) -> str:
        """The one sentence with which it refuses to start."""
        sentence = self.start_or_refusal()
        assert sentence is not None, "it started"
        return sentence

    def start_or_refusal(self, *, may_be_killed: bool = False) -> str | None:
        """Start; the sentence if it refuses. Anything else is a failure of the row."""
        self.launch()
        eventually(lambda: not self.alive or "listening on " in self.log, START_S)
        # What waits may end it as soon as it has started.
        if self.alive or "listening on " in self.log:
            self.url = self.log.split("listening on ")[1].split(",")[0]
            return None
        assert self._process is not None
        status, log = self._process.returncode, self.log
        if may_be_killed and status == -signal.SIGKILL:
            return None
        said = [line for line in log.splitlines() if line.startswith("seedvr2d: ")]
        assert status > 0 and len(said) == 1 and "Traceback" not in log, f"exit status {status}:\n{log}"
        # A sentence, or one that ends with a command.
        assert said[0].endswith((".", "'", "`")), said[0]
        return said[0]

    def stop(self) -> None:
        """End it orderly."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(90) == 0, self.log

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def wait_death(self) -> None:
        """Until it has ended by itself."""
        assert self._process is not None
        self._process.wait(START_S)

    # -- what is asked of it ------------------------------------------------------------------------------

    def get(self, path: str) -> requests.Response:
        """`GET path`."""
        return requests.get(self.url + path, timeout=ANSWER_S)

    def post(self, path: str, **more: Any) -> requests.Response:
        """`POST path`."""
        return requests.post(self.url + path, timeout=ANSWER_S, **more)

    def health(self) -> dict[str, Any]:
        """`GET /health`."""
        return dict(self.get("/health").json())

    def offer(self, name: str, content: bytes | None = None, **fields: object) -> requests.Response:
        """Send a file; it counts as accepted if the answer says so."""
        answer = self.post("/api/process", files={"file": (name, content or self.picture(name))}, data=fields)
        if answer.status_code == 200:
            self.accepted[answer.json()["task_id"]] = name
        return answer

    def submit(self, name: str, content: bytes | None = None, **fields: object) -> str:
        """Send a file that has to be accepted; answers the task's id."""
        answer = self.offer(name, content, **fields)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["task_id"])

    def drop(self, name: str, content: bytes | None = None) -> Path:
        """Put a file into the inbox at once; `name` may have folders."""
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        hidden = path.with_name(".incoming.part")
        hidden.write_bytes(content or self.picture(path.name))
        if os.geteuid() == 0 and path.parent.stat().st_uid == NOBODY:
            os.chown(hidden, NOBODY, NOBODY)
        hidden.replace(path)
        self.dropped.append(Path(name))
        return path

    def picture(self, name: str, token: str = "") -> bytes:
        """A picture of its own size, which its result is known by; `token` is what a fault finds it by."""
        number = len(self.sizes)
        self.sizes[name] = (8 + number % 50, 6 + number // 50 % 50)
        note = PngImagePlugin.PngInfo()
        note.add_text("Comment", token or "none")
        buffer = io.BytesIO()
        Image.new("RGB", self.sizes[name], (number % 256, 90, 160)).save(buffer, "PNG", pnginfo=note)
        return buffer.getvalue()

    def status(self, job_id: str) -> dict[str, Any]:
        """What it says about a task."""
        return dict(self.get(f"/api/status/{job_id}").json())

    def wait(self, job_id: str, *states: str) -> dict[str, Any]:
        """Until the task is in one of `states`, by default finished."""

        def reached() -> dict[str, Any]:
            status = self.status(job_id)
            assert "status" in status, f"task {job_id} ({self.accepted.get(job_id)}) is lost: {status}"
            return status if status.get("status") in (states or FINISHED) else {}

        return eventually(reached)

    def history(self) -> list[dict[str, Any]]:
        """The finished tasks."""
        return list(self.get("/api/queue/history?limit=1000&status=all").json()["history"])

    # -- what is done to it -------------------------------------------------------------------------------

    def order(self, name: str, value: str = "") -> None:
        """Write a file of the control folder, see `tests.daemon.kill_target`."""
        file = self.control / f".{name}"
        file.write_text(value)
        file.chmod(0o666)
        file.rename(self.control / name)

    def revoke(self, name: str) -> None:
        """Take it back."""
        (self.control / name).unlink(missing_ok=True)

    def left(self, name: str) -> int:
        """How many of the ordered kills are left."""
        return int((self.control / name).read_text())

    def _environment(self) -> dict[str, str]:
        paths = {f"SEEDVR2_PATHS_{name.upper()}": str(folder) for name, folder in self.folders.items()}
        ours = {"FAULT_CONTROL": str(self.control), "PYTHONDONTWRITEBYTECODE": "1"}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SEEDVR2_", "PORT"))}
        return kept | paths | QUICK | ours | self.settings


def new_root() -> Path:
    """A folder for a row; unlike pytest's own it may be entered by other users."""
    root = Path(tempfile.mkdtemp(prefix="seedvr2d-fault-"))
    root.chmod(0o755)
    return root
