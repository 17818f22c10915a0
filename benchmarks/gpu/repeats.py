"""Step 6: a second job gets the model and the tiles of the first one, and unloading leaves nothing behind."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from torch import nn

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.jobs import Session, random_frames
from benchmarks.gpu.meter import limited, live_bytes, usable_bytes
from benchmarks.gpu.rows import GIB, Row, equal, measured
from benchmarks.gpu.weights import TEXT_LENGTH
from seedvr2.catalogue import DEFAULT_MODEL
from seedvr2.catalogue.conditioning import POSITIVE
from seedvr2.catalogue.registry import VAE
from seedvr2.checkpoint.recipe import storage_for, stored_bytes
from seedvr2.checkpoint.safetensors_file import FORMAT_NAMES
from seedvr2.model import release_memory
from seedvr2.network.build import meta_dit, meta_vae
from seedvr2.options import UpscaleOptions
from seedvr2.selection import select_model

PRECISION = "fp8_e4m3fn"
# The card of the two jobs: one that holds the model once, and not twice.
CARD_GB = 8


def rows(bench: Bench) -> Iterator[Row]:
    """Choose and run twice, the second time beside the model in memory, then let go of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hollow_models(bench, folder)
        release_memory()
        before = live_bytes(bench.device)
        session = Session(bench, "3B", PRECISION)
        yield from _twice(bench, folder, session)
        held = live_bytes(bench.device) - before
        yield measured("memory of the model: while it is loaded", held / GIB, "GiB", least=1e-6)
        del session
        release_memory()
        left = live_bytes(bench.device) - before
        yield measured("memory of the model: after it was dropped", left / 2**20, "MiB", most=1)


def _twice(bench: Bench, folder: Path, session: Session) -> Iterator[Row]:
    options = UpscaleOptions(resolution=bench.scale.resolution)
    frames = random_frames(options.batch_size, bench.scale.source)
    plans = []
    with limited(bench.device, usable_bytes(bench.device, CARD_GB)):
        for job in ("first job", "second job"):
            yield equal(f"{job}: model", select_model("auto", folder, bench.device).name, DEFAULT_MODEL)
            plans.append(session.run(frames, options).plan)
    yield equal("second job: plan", plans[1].settings, plans[0].settings)


def hollow_models(bench: Bench, folder: Path) -> None:
    """A models folder whose files have true headers and sizes, and holes for tensors: they take no space."""
    dit, vae = meta_dit(bench.scale.dits["3B"]), meta_vae(bench.scale.vae)
    text = {POSITIVE: (TEXT_LENGTH, bench.scale.dits["3B"].text_channels)}
    _hollow(folder / DEFAULT_MODEL, _shapes(dit) | text, PRECISION)
    _hollow(folder / VAE, _shapes(vae), "fp16")


def _shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def _hollow(path: Path, shapes: dict[str, tuple[int, ...]], precision: str) -> None:
    entries, offset = {}, 0
    for name, shape in shapes.items():
        stored = storage_for(name, shape, precision)
        end = offset + stored_bytes(stored, shape)
        entries[name] = {"dtype": FORMAT_NAMES[stored], "shape": shape, "data_offsets": (offset, end)}
        offset = end
    header = json.dumps(entries).encode()
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + offset)
