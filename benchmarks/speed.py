"""Speed of nano at 640x360 to 1280x720, stage by stage, against one bicubic resize in the same run.

python -m benchmarks.speed
"""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from seedvr2.heap import keep_freed_blocks
from seedvr2.model import choose_dtype, load_model
from seedvr2.pipeline.preprocess import bicubic
from seedvr2.pipeline.restore import BatchRestorer, RestoreSettings
from seedvr2.pipeline.sizes import plan_sizes
from seedvr2.pipeline.stream import StreamSettings, restore_stream, to_integer
from seedvr2.selection import select_model

_FRAMES = 5


def main() -> None:
    keep_freed_blocks()  # as the engine's entry does
    device = torch.device("cpu")
    generator = np.random.default_rng(0)
    frames = [generator.integers(0, 255, (360, 640, 3), dtype=np.uint8) for _ in range(_FRAMES)]
    reference = _resize_seconds(frames)
    print(f"speed: bicubic resize, {reference:.3f} s a frame")
    for name in ("auto", "float32", "bfloat16"):
        dtype = choose_dtype(name, device)
        files = select_model("nano", Path("models"), device)
        model = load_model(files, models_dir=Path("models"), device=device, dtype=dtype)
        settings = StreamSettings(plan_sizes(640, 360, 720, 0, model.multiple))
        for _ in restore_stream(frames, lambda frame: frame, BatchRestorer(model, RestoreSettings()), settings):
            pass  # the first batch takes its memory from the system; later ones of a video do not
        stages: dict[str, float] = defaultdict(float)
        last = ["", time.perf_counter()]

        def on_stage(stage: str, _share: float, stages: dict = stages, last: list = last) -> None:  # type: ignore[type-arg]
            now = time.perf_counter()
            stages[last[0]] += now - last[1]
            last[:] = [stage, now]

        restorer = BatchRestorer(model, RestoreSettings(), on_stage)
        started = time.perf_counter()
        for _, image in restore_stream(frames, lambda frame: frame, restorer, settings):
            to_integer(image, 8)
        seconds = (time.perf_counter() - started) / _FRAMES
        shares = ", ".join(f"{stage} {spent / _FRAMES:.2f} s" for stage, spent in stages.items() if stage)
        print(f"speed: nano {name} ({dtype}), {seconds:.2f} s a frame, {seconds / reference:.0f} resizes; {shares}")


def _resize_seconds(frames: list[np.ndarray]) -> float:
    images = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float()
    started = time.perf_counter()
    for image in images:
        bicubic(image[None], (1280, 720))
    return (time.perf_counter() - started) / len(frames)


if __name__ == "__main__":
    main()
