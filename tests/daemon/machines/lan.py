"""Two machines in network namespaces, joined by a cable that can be pulled, and somebody who listens on it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from seedvr2.standard_folders import ROOT

HEAD, OTHER = "10.77.31.1", "10.77.31.2"
HEAD_6, OTHER_6 = "fd77:31::1", "fd77:31::2"

# Writes every frame of the cable into a file, until it is told to end.
_SNIFFER = """
import signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
cable = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
cable.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
cable.bind((sys.argv[1], 0))
with open(sys.argv[2], "wb", buffering=0) as file:
    print("listening", flush=True)
    while True:
        file.write(cable.recv(1 << 16))
"""


@dataclass
class Lan:
    """Commands run in one of both namespaces; all of their processes end with it."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    names: tuple[str, str] = field(default_factory=lambda: (f"s2d-{os.getpid()}-a", f"s2d-{os.getpid()}-b"))

    def command(self, which: int, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.names[which], *words]

    def start(self, which: int, *words: str, log: Path, **variables: str) -> subprocess.Popen[bytes]:
        with log.open("wb") as file:
            process = subprocess.Popen(
                self.command(which, *words), stdout=file, stderr=subprocess.STDOUT, env=environment(variables), cwd="/"
            )
        self.processes.append(process)
        return process

    def run(self, which: int, *words: str, timeout_s: float = 60, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(which, *words), capture_output=True, text=True, env=environment(variables), cwd="/",
            timeout=timeout_s, check=False,
        )  # fmt: skip

    def cable(self, state: str) -> None:
        _ip("-n", self.names[0], "link", "set", "cable", state)

    def end(self, which: int) -> None:
        """A power cut."""
        # Until none is left: a process may have started another one.
        for _ in range(50):
            pids = _ip("netns", "pids", self.names[which]).split()
            if not pids:
                return
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            time.sleep(0.1)

    @contextlib.contextmanager
    def sniffed(self, file: Path) -> Iterator[None]:
        words = (sys.executable, "-c", _SNIFFER, "cable", str(file))
        sniffer = subprocess.Popen(self.command(0, *words), stdout=subprocess.PIPE)
        assert sniffer.stdout is not None and sniffer.stdout.readline() == b"listening\n"
        try:
            yield
        finally:
            sniffer.terminate()
            sniffer.wait()
            sniffer.stdout.close()


@contextlib.contextmanager
def made_lan(folder: Path) -> Iterator[Lan]:
    lan = Lan(folder)
    try:
        for name in lan.names:
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", lan.names[0], "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", lan.names[1])
        for name, address, address_6 in zip(lan.names, (HEAD, OTHER), (HEAD_6, OTHER_6), strict=True):
            _ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
            _ip("-n", name, "address", "add", f"{address_6}/64", "dev", "cable", "nodad")
            _ip("-n", name, "link", "set", "cable", "up")
        yield lan
    finally:
        for which, name in enumerate(lan.names):
            with contextlib.suppress(subprocess.CalledProcessError):
                lan.end(which)
                _ip("netns", "delete", name)
        for process in lan.processes:
            process.wait()


def environment(more: dict[str, str]) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SEEDVR2_", "RAY_"))}
    return {**clean, "PYTHONPATH": str(ROOT), **more}


def wait_for(file: Path, text: str, process: subprocess.Popen[bytes] | None = None, timeout_s: float = 30) -> str:
    """Wait until a log says something; its text."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        said = file.read_text(errors="replace") if file.exists() else ""
        if text in said:
            return said
        assert process is None or process.poll() is None, said
        time.sleep(0.1)
    raise AssertionError(f"{file.name} never says {text!r}: {said}")


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True).stdout
