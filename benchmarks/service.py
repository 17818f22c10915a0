"""How fast the API answers while nano works, 200 clients idle, 20 streams are open and 100 uploads come in at once."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from benchmarks.daemons import daemon
from benchmarks.machine import descendants, peak_mb
from benchmarks.runs import CLIP

Figures = dict[str, Any]
_IDLE, _STREAMS, _UPLOADS, _SECONDS = 200, 20, 100, 4.0


def measure() -> Figures:
    """Percentiles in ms of `/health`, situation by situation; `seconds` is the p99 while files are uploaded."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as open_things:
        folder = Path(name)
        url = open_things.enter_context(daemon(folder, resolution=720))
        situations = {"idle": _while(url, _pause)}
        shutil.copy(CLIP, folder / "inbox" / "busy.mp4")
        _wait_for(lambda: requests.get(f"{url}/health", timeout=30).json()["worker"] == "processing")
        situations["job"] = _while(url, _pause)
        address = urlsplit(url)
        for _ in range(_IDLE):
            open_things.enter_context(socket.create_connection((address.hostname, address.port)))
        for _ in range(_STREAMS):
            open_things.enter_context(requests.get(f"{url}/api/events", stream=True, timeout=30))
        situations[f"job, {_IDLE} idle clients, {_STREAMS} streams"] = _while(url, _pause)
        submits: list[float] = []
        situations[f"and {_UPLOADS} uploads"] = _while(url, lambda: _upload_all(url, submits))
        situations["the uploads themselves"] = submits
        (service, *_) = descendants(os.getpid())
        return {
            "seconds": _percentile(situations[f"and {_UPLOADS} uploads"], 0.99),
            "best_of": 1,
            "peak_mb": round(peak_mb(service)),
            "health_ms": {
                situation: {
                    "p50": round(1000 * _percentile(times, 0.5), 1),
                    "p99": round(1000 * _percentile(times, 0.99), 1),
                    "requests": len(times),
                }
                for situation, times in situations.items()
            },
        }


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


def _pause() -> None:
    time.sleep(_SECONDS)


def _percentile(times: list[float], share: float) -> float:
    """The time below which `share` of them are."""
    return sorted(times)[min(int(len(times) * share), len(times) - 1)]
