"""Step 11: the service itself: a daemon of its own on this card, a picture and a video through its folders.

Everything before it runs the engine's parts on tensors. This one reads weight files, decodes, encodes, and asks the
driver, as a user's machine does.
"""

from __future__ import annotations

import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from benchmarks.daemons import LOG, daemon, get
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.jobs import random_frames
from benchmarks.gpu.rows import Row, equal, fact, measured, not_run
from benchmarks.gpu.weights import TEXT_LENGTH, random_checkpoint
from seedvr2.catalogue import DEFAULT_MODEL
from seedvr2.catalogue.conditioning import POSITIVE
from seedvr2.catalogue.registry import VAE
from seedvr2.checkpoint import Checkpoint, PackedTensor, safetensors_writer
from seedvr2.checkpoint.recipe import Recipe
from seedvr2.model import release_memory
from seedvr2.network.build import meta_dit, meta_vae
from seedvr2.pipeline.source_frames import Image

PACKAGES = ("av", "bottle", "huggingface_hub", "pydantic_settings", "tinydb", "waitress", "watchdog")
PRECISION = "fp8_e4m3fn"
PATIENCE_S = 120

Answer = TypeVar("Answer")


def rows(bench: Bench) -> Iterator[Row]:
    """The daemon starts, restores what is dropped into its inbox, and gives the card back."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        yield not_run("the service", f"not installed here: {', '.join(missing)}; `make check-gpu` installs them")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield from _weights(bench, folder / "models")
        release_memory()
        with daemon(folder, bench.scale.resolution) as address:
            yield from _card(bench, address)
            yield from _jobs(bench, folder, address)
            yield from _given_back(bench, address)


def _weights(bench: Bench, folder: Path) -> Iterator[Row]:
    """Weight files of the published names and sizes, with random numbers."""
    folder.mkdir()
    config = bench.scale.dits["3B"]
    transformer = _recipes(random_checkpoint(meta_dit(config), PRECISION, bench.device))
    shape = (TEXT_LENGTH, config.text_channels)
    transformer.append(Recipe(POSITIVE, shape, "bfloat16", lambda: torch.randn(shape).bfloat16()))
    vae = _recipes(random_checkpoint(meta_vae(bench.scale.vae), "fp16", bench.device))
    started = time.perf_counter()
    for name, recipes, about in (
        (DEFAULT_MODEL, transformer, {}),
        (VAE, vae, {"norm_num_groups": str(bench.scale.vae.groups)}),
    ):
        safetensors_writer.write(folder / name, recipes, about, lambda _: None)
    written = sum(file.stat().st_size for file in folder.iterdir())
    yield measured("weight files", written / 1e9, "GB", note=f"written in {time.perf_counter() - started:.1f} s")


def _recipes(checkpoint: Checkpoint) -> list[Recipe]:
    def made(name: str) -> Callable[[], Tensor]:
        def make() -> Tensor:
            stored = checkpoint.tensor(name)
            return (stored.data if isinstance(stored, PackedTensor) else stored).cpu()

        return make

    shapes = checkpoint.shapes
    return [Recipe(name, shape, checkpoint.precisions[name], made(name)) for name, shape in shapes.items()]


def _card(bench: Bench, address: str) -> Iterator[Row]:
    """What the service says of the card, once the engine has been asked."""
    status = _when(lambda: get(f"{address}/api/gpu/status"), lambda status: status["torch_version"])
    yield equal("the service computes on a card", status["cuda_available"], bench.device.type == "cuda")
    yield fact("the service's card: name", status["gpu_name"])
    yield fact("the service's card: memory", f"{status['vram_total_mb']} MB")
    yield fact("the service's card: driver", status["driver_version"])


def _jobs(bench: Bench, folder: Path, address: str) -> Iterator[Row]:
    """A picture first, which loads the model, then a video, which finds it loaded."""
    av, (width, height) = import_module("av"), bench.scale.source
    frames = random_frames(bench.scale.whole_frames, bench.scale.source)
    for name, given in (("picture.png", frames[:1]), ("video.mp4", frames)):
        title = f"{name.partition('.')[0]} through the inbox"
        _write(folder / "inbox" / name, given)
        job = _when(lambda: get(f"{address}/api/queue/history?status=all")["history"], partial(_of, name))
        status = get(f"{address}/api/status/{_of(name, job)}")
        yield Row(
            f"{title}: ended", status["status"], tolerance="= completed", ok=status["status"] == "completed",
            note=f"{status.get('error') or ''}\n{(folder / LOG).read_text(errors='replace')[-3000:]}",
        )  # fmt: skip
        if status["status"] != "completed":
            continue
        yield fact(f"{title}: model", status["model"])
        yield measured(f"{title}: time of it all", status["process_time"], "s")
        with av.open(str(folder / "outputs" / status["output_filename"])) as result:
            shown = [(frame.width, frame.height) for frame in result.decode(video=0)]
        short = bench.scale.resolution
        wanted = [(short * width // height, short)] * len(given)
        yield equal(f"{title}: frames and their size", _told(shown), _told(wanted))


def _of(name: str, history: list[dict[str, Any]]) -> str:
    """The id of the ended job that was made of that file, or an empty text."""
    return next((str(job["id"]) for job in history if job["original_filename"] == name), "")


def _told(sizes: list[tuple[int, int]]) -> str:
    return f"{len(sizes)} of {sorted(set(sizes))}"


def _given_back(bench: Bench, address: str) -> Iterator[Row]:
    """The card's memory, once the model is to go."""
    before = get(f"{address}/api/gpu/status")
    yield equal("the service keeps its model", before["model_loaded"], True)
    urllib.request.urlopen(urllib.request.Request(f"{address}/api/gpu/offload", method="POST"), timeout=30).close()
    least = 1000 if bench.device.type == "cuda" else 0
    after = _when(
        lambda: get(f"{address}/api/gpu/status"),
        lambda status: not status["model_loaded"] and before["vram_used_mb"] - status["vram_used_mb"] >= least,
    )
    if bench.device.type == "cuda":
        yield fact("the service's card: memory in use with the model", f"{before['vram_used_mb']} MB")
        yield fact("the service's card: memory in use without it", f"{after['vram_used_mb']} MB")


def _write(path: Path, frames: list[Image]) -> None:
    """A picture or a video, moved into its place as a whole."""
    av, (height, width) = import_module("av"), frames[0].shape[:2]
    part = path.parent.parent / path.name
    with av.open(str(part), "w") as target:
        video = path.suffix == ".mp4"
        stream = target.add_stream("libx264" if video else "png", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p" if video else "rgb24"
        for frame in frames:
            target.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        target.mux(stream.encode())
    part.replace(path)


def _when(ask: Callable[[], Answer], true: Callable[[Answer], object]) -> Answer:
    """The first answer that is as wanted. Raises TimeoutError."""
    until = time.monotonic() + PATIENCE_S
    while not true(answer := ask()):
        if time.monotonic() > until:
            raise TimeoutError(f"still {answer} after {PATIENCE_S} s")
        time.sleep(0.1)
    return answer
