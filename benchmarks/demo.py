"""`make demo`: a small, compressed clip through a real daemon on temporary folders.

Prints where the result is, and where a picture that shows a frame before and after.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.runs import CLIP, images_of


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("clip", nargs="?", type=Path, default=CLIP, help="another picture or video")
    parser.add_argument("--resolution", type=int, default=360, help="short edge of the result (default 360)")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="seedvr2d-demo-"))
    with daemon(folder, arguments.resolution) as address:
        print(f"The daemon answers at {address} and watches {folder / 'inbox'}.")
        shutil.copy(arguments.clip, folder / "inbox" / arguments.clip.name)
        print(f"Dropped {arguments.clip.name} into it.")
        job = wait(address)
    if job["status"] != "completed":
        print(f"The job {job['status']}: {job.get('error')}", file=sys.stderr)
        return 1
    result = folder / "outputs" / job["output_filename"]
    picture = folder / "before-after.png"
    compare(arguments.clip, result, picture)
    print(f"Done in {job['process_time']} s by the model {job['model']}.")
    print(f"Result:       {result}")
    print(f"Before/after: {picture}")
    return 0


@contextmanager
def daemon(folder: Path, resolution: int, models: Path | None = None) -> Iterator[str]:
    """A daemon of its own on `folder`, with the models of another folder or none; gives its address and ends it."""
    for name in ("inbox", "outputs", "state", "models"):
        (folder / name).mkdir()
    config = folder / "config.toml"
    paths = "" if models is None else f"[paths]\nmodels = {json.dumps(str(models.absolute()))}\n"
    config.write_text(f"{paths}[server]\nport = 0\n[inbox]\nsettle_s = 1.0\n[defaults]\nresolution = {resolution}\n")
    log = folder / "daemon.log"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SEEDVR2_") and key != "PORT"}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "daemon", "--config", str(config)], stderr=stream, env=environment
        )
    try:
        yield _address(process, log)
    finally:
        process.terminate()
        process.wait(60)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where the daemon says that it listens."""
    for _ in range(600):
        if found := re.search(r"http://[\w.:\[\]-]+:\d+", log.read_text(errors="replace")):
            return found[0]
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit(f"The daemon did not start:\n{log.read_text(errors='replace')}")


def wait(address: str) -> dict[str, Any]:
    """The first job, once it is finished, with its progress on the way."""
    shown = ""
    while True:
        queue = _get(f"{address}/api/queue/status")
        history = _get(f"{address}/api/queue/history?status=all")["history"]
        if history:
            return _get(f"{address}/api/status/{history[0]['id']}")
        running = queue.get("processing_task_id")
        if running:
            status = _get(f"{address}/api/status/{running}")
            line = f"  {status['progress']:>3} %  {status.get('stage') or ''}  {status.get('frames_done') or 0} frames"
            if line != shown:
                print(line, flush=True)
                shown = line
        time.sleep(1)


def _get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=30) as answer:
        data: dict[str, Any] = json.load(answer)
        return data


def compare(before: Path, after: Path, target: Path) -> None:
    """The middle frame of both, side by side; the source enlarged without smoothing, as its pixels are."""
    first, second = _middle_frame(before), _middle_frame(after)
    sheet = Image.new("RGB", (2 * second.width + 8, second.height), "white")
    sheet.paste(first.resize(second.size, Image.Resampling.NEAREST), (0, 0))
    sheet.paste(second, (second.width + 8, 0))
    sheet.save(target)


def _middle_frame(path: Path) -> Image.Image:
    frames = images_of(path)
    return frames[len(frames) // 2]


if __name__ == "__main__":
    sys.exit(main())
