"""Step 7: where the time of a batch goes: speed, launches and conversions of layout of each stage."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.jobs import Session
from benchmarks.gpu.rows import Row, guarded, measured
from seedvr2 import colour
from seedvr2.options import UpscaleOptions
from seedvr2.pipeline.restore import BatchRestorer, RestoreSettings

PRECISION = "fp8_e4m3fn"
TOP = 8
# Kernels that bring numbers into another layout, and that only move or cast them; on the processor, operations.
CONVERSIONS = re.compile(r"nchwToNhwc|nhwcToNchw|[cC]onvertTensor|aten::contiguous$")
COPIES = re.compile(r"direct_copy_kernel|CatArrayBatchedCopy|Memcpy DtoD|aten::(copy_|cat)$")

Work = Callable[[], object]
# Launches and microseconds of each kernel, by its name.
Kernels = dict[str, tuple[int, float]]


@torch.no_grad()
def rows(bench: Bench) -> Iterator[Row]:
    """One batch of the 3B at default options, each stage on its own."""
    for stage, work in stages_of(bench).items():
        yield from guarded(stage, measure(bench, stage, work))


def stages_of(bench: Bench) -> dict[str, Work]:
    """What happens to a batch, one after another, each ready to be run again."""
    options = UpscaleOptions(resolution=bench.scale.resolution)
    session = Session(bench, "3B", PRECISION)
    wanted, plan = session.plan(bench.scale.source, options.batch_size, options)
    restorer = BatchRestorer(session.load(plan), RestoreSettings(tiling=plan.tiling))
    width, height = wanted.size
    frames = torch.rand(3, plan.window, height, width, device=bench.device) * 2 - 1
    latent = restorer.encode(frames)
    images = frames.transpose(0, 1)
    return {
        "encode": lambda: restorer.encode(frames),
        "restore": lambda: restorer.denoise(latent, 0),
        "decode": lambda: restorer.decode(latent),
        "colour": lambda: colour.correct(options.color_correction, images.clone(), images),
    }


def measure(bench: Bench, stage: str, work: Work) -> Iterator[Row]:
    """Time, speed and kernels of one stage."""
    seconds = bench.seconds(work, repeats=1)
    yield measured(f"{stage}: time", seconds, "s")
    with FlopCounterMode(display=False) as counter:
        work()
    speed = counter.get_total_flops() / seconds
    yield measured(f"{stage}: share of the matmul peak", 100 * speed / bench.matmul_speed(bench.dtype), "%")
    kernels = profiled(bench, work)
    whole = sum(time for _, time in kernels.values())
    launches = sum(count for count, _ in kernels.values())
    yield measured(f"{stage}: launches", launches, least=1, note=_top(kernels, whole))
    for what, pattern in {"conversions of layout": CONVERSIONS, "copies": COPIES}.items():
        found = [kernel for name, kernel in kernels.items() if pattern.search(name)]
        yield measured(f"{stage}: {what}", sum(count for count, _ in found))
        yield measured(f"{stage}: time in {what}", 100 * sum(time for _, time in found) / whole, "%")


def profiled(bench: Bench, work: Work) -> Kernels:
    """The kernels that `work` launches; on the processor, its operations."""
    on_gpu = bench.device.type == "cuda"
    with profile(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]) as profiler:
        work()
        bench.synchronize()
    events: list[Any] = list(profiler.key_averages())
    times = {event.key: event.self_device_time_total if on_gpu else event.self_cpu_time_total for event in events}
    return {event.key: (event.count, times[event.key]) for event in events}


def _top(kernels: Kernels, whole: float) -> str:
    """The kernels that take most of the time, one a line."""
    order = sorted(kernels.items(), key=lambda item: -item[1][1])[:TOP]
    return "\n".join(f"{100 * time / whole:.1f} % in {count} × {name[:100]}" for name, (count, time) in order)
