"""`make demo`: a small, compressed clip through a real daemon on temporary folders.

Prints where the result is, and where a picture that shows a frame before and after.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.daemons import NotStartedError, daemon, get
from benchmarks.runs import CLIP, images_of


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("clip", nargs="?", type=Path, default=CLIP, help="another picture or video")
    parser.add_argument("--resolution", type=int, default=360, help="short edge of the result (default 360)")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="seedvr2d-demo-"))
    try:
        with daemon(folder, arguments.resolution) as address:
            print(f"The daemon answers at {address} and watches {folder / 'inbox'}.")
            shutil.copy(arguments.clip, folder / "inbox" / arguments.clip.name)
            print(f"Dropped {arguments.clip.name} into it.")
            job = wait(address)
    except NotStartedError as error:
        print(error, file=sys.stderr)
        return 1
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


def wait(address: str) -> dict[str, Any]:
    """The first job, once it is finished, with its progress on the way."""
    shown = ""
    while True:
        queue = get(f"{address}/api/queue/status")
        history = get(f"{address}/api/queue/history?status=all")["history"]
        if history:
            return get(f"{address}/api/status/{history[0]['id']}")
        running = queue.get("processing_task_id")
        if running:
            status = get(f"{address}/api/status/{running}")
            line = f"  {status['progress']:>3} %  {status.get('stage') or ''}  {status.get('frames_done') or 0} frames"
            if line != shown:
                print(line, flush=True)
                shown = line
        time.sleep(1)


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
