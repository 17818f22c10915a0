"""How fast the API answers while nano works, 200 clients idle, 20 streams are open and 100 uploads come in at once.

python -m benchmarks.service
"""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import requests

from benchmarks.demo import daemon
from benchmarks.runs import CLIP

_IDLE, _STREAMS, _UPLOADS, _SECONDS = 200, 20, 100, 4.0


def main() -> None:
    with tempfile.TemporaryDirectory() as name, ExitStack() as open_things:
        folder = Path(name)
        url = open_things.enter_context(daemon(folder, resolution=720))
        _report("idle", _while(url, lambda: time.sleep(_SECONDS)))
        shutil.copy(CLIP, folder / "inbox" / "busy.mp4")
        _wait_for(lambda: requests.get(f"{url}/health", timeout=30).json()["worker"] == "processing")
        _report("a job running", _while(url, lambda: time.sleep(_SECONDS)))
        address = urlsplit(url)
        for _ in range(_IDLE):
            open_things.enter_context(socket.create_connection((address.hostname, address.port)))
        for _ in range(_STREAMS):
            open_things.enter_context(requests.get(f"{url}/api/events", stream=True, timeout=30))
        _report(f"and {_IDLE} idle clients, {_STREAMS} streams", _while(url, lambda: time.sleep(_SECONDS)))
        submits: list[float] = []
        times = _while(url, lambda: _upload_all(url, submits))
        _report(f"and {_UPLOADS} uploads at once", times)
        _report("those uploads themselves", submits)


def _while(url: str, action: Callable[[], None]) -> list[float]:
    """Seconds that each `/health` took while `action` ran."""
    times: list[float] = []
    over = threading.Event()

    def ask() -> None:
        session = requests.Session()
        while not over.is_set():
            times.append(_seconds(lambda: session.get(f"{url}/health", timeout=60)))
            time.sleep(0.005)

    thread = threading.Thread(target=ask)
    thread.start()
    action()
    over.set()
    thread.join()
    return times


def _upload_all(url: str, times: list[float]) -> None:
    content = CLIP.read_bytes()

    def upload(index: int) -> None:
        # Different contents, so that none is taken for a copy of another; trailing bytes do not matter to the decoder.
        file = {"file": (f"{index}.mp4", content + b"\0" * (4 << 20) + bytes([index]))}
        times.append(_seconds(lambda: requests.post(f"{url}/api/process", files=file, timeout=300)))

    with ThreadPoolExecutor(_UPLOADS) as pool:
        list(pool.map(upload, range(_UPLOADS)))


def _seconds(ask: Callable[[], requests.Response]) -> float:
    started = time.perf_counter()
    ask().raise_for_status()
    return time.perf_counter() - started


def _wait_for(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.1)


def _report(situation: str, times: list[float]) -> None:
    ordered = sorted(1000 * seconds for seconds in times)
    median, last = ordered[len(ordered) // 2], ordered[min(int(len(ordered) * 0.99), len(ordered) - 1)]
    print(f"service: {situation}: p50 {median:.1f} ms, p99 {last:.1f} ms, {len(ordered)} requests")


if __name__ == "__main__":
    main()
