"""Step 2: the numbers of the reference implementation, computed on the device; integers in and out; packed weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.rows import Row, equal, guarded, measured
from benchmarks.gpu.scale import GOLDEN
from benchmarks.gpu.weights import random_blocks
from seedvr2.checkpoint.ggml import dequantize
from seedvr2.model import Model
from seedvr2.network.tiling import decode_tiled, encode_tiled
from seedvr2.pipeline.finishing import StreamSettings
from seedvr2.pipeline.frame_transfer import frame_transfer
from seedvr2.pipeline.restore import BatchRestorer, RestoreSettings
from seedvr2.pipeline.sampler import model_input
from seedvr2.pipeline.sizes import plan_sizes
from seedvr2.pipeline.source_frames import to_float
from seedvr2.pipeline.stream import restore_stream, to_integer
from tests.parity.networks import fixture_dit, fixture_vae
from tests.parity.pipeline import color_checks, fixture_tiling
from tests.parity.report import Fixture

TOLERANCES = {torch.float32: 1e-4, torch.float16: 3e-3, torch.bfloat16: 3e-2}
# `lab` matches values by their rank. Noise of 1e-5, a tenth of what every step before it is allowed, moves single
# pixels by 0.027 and all of them by 9e-5 on a processor too, and no card rounds as that does.
_RANKS_SLACK = 3
# Formats that have a decoder of our own, for which no other package is needed.
PACKED = ("Q4_K", "Q8_0")

Results = Iterator[tuple[Tensor, Tensor]]  # computed, expected


def rows(bench: Bench) -> Iterator[Row]:
    """The networks at three precisions, the whole way in float32, pixels, packed weights."""
    cases = {"transformer 3B": ("dit_3b/c*.json", transformer), "transformer 7B": ("dit_7b/c*.json", transformer),
             "VAE": ("vae/[tv]*.json", vae)}  # fmt: skip
    for name, (pattern, case) in cases.items():
        for dtype in TOLERANCES:
            title = f"{name}: {str(dtype).removeprefix('torch.')}"
            yield from guarded(title, _networks(bench, title, pattern, case, dtype))
    for path in sorted(GOLDEN.glob("e2e/*.json")):
        yield from guarded(f"whole way {path.stem}", whole_way(bench, _fixture(path.relative_to(GOLDEN).as_posix())))
    for kind in (np.uint8, np.uint16):
        yield from guarded(f"{kind.__name__} in and out", integers(bench, kind))
    for stored in PACKED:
        yield from guarded(f"{stored} decoded", packed(bench, stored))


def _networks(
    bench: Bench, title: str, pattern: str, case: Callable[[Fixture, Bench, torch.dtype], Results], dtype: torch.dtype
) -> Iterator[Row]:
    """The worst of all cases: the largest difference in float32, else the distance relative to the numbers' own size.

    Rounding grows with the numbers, so only float32 is held to an absolute difference.
    """
    errors = []
    with torch.no_grad():
        for path in sorted(GOLDEN.glob(pattern)):
            for got, wanted in case(_fixture(path.relative_to(GOLDEN).as_posix()), bench, dtype):
                difference = (got.cpu().double() - wanted.double()).abs()
                exact = dtype == torch.float32
                errors.append((difference.max() if exact else difference.norm() / wanted.double().norm()).item())
    yield measured(title, max(errors), most=TOLERANCES[dtype], note=f"the worst of {len(errors)} tensors")


def transformer(fixture: Fixture, bench: Bench, dtype: torch.dtype) -> Results:
    """The velocity of one case."""
    case, tensors = fixture.data, fixture.tensors()
    dit = fixture_dit(fixture, case["weights"], case["config"], case["config"]["window"]).to(bench.device)
    to = partial(torch.Tensor.to, device=bench.device, dtype=dtype)
    latent = to(model_input(tensors["noise"], tensors["cond"]))
    yield dit(latent, to(tensors["txt"]), case["timestep"]), tensors["out"]


def vae(fixture: Fixture, bench: Bench, dtype: torch.dtype) -> Results:
    """Latent and frames of one case, in tiles where it has them."""
    case, tensors = fixture.data, fixture.tensors()
    network = fixture_vae(fixture, case["weights"], case["config"], case.get("scaling_factor", 0.9152)).to(bench.device)
    tiling = fixture_tiling({key: value for key, value in case.items() if key.startswith("tile_")})
    if "x" in tensors:
        x = tensors["x"].to(bench.device, dtype)
        yield (encode_tiled(network, x, tiling) if tiling else network.encode(x)), tensors["latent"]
    if "z_in" in tensors:
        z = tensors["z_in"].to(bench.device, dtype)
        yield (decode_tiled(network, z, tiling) if tiling else network.decode(z)), tensors["dec"]


def whole_way(bench: Bench, fixture: Fixture) -> Iterator[Row]:
    """From the source's integers to the coloured frames, in float32."""
    case, tensors = fixture.data, fixture.tensors()
    dit = fixture_dit(fixture, case["dit_weights"], case["dit_config"], case["window"]).to(bench.device)
    sizes = json.loads(fixture.resolve(case["vae_weights"]).with_suffix(".json").read_text())["config"]
    vae = fixture_vae(fixture, case["vae_weights"], sizes).to(bench.device)
    model = Model("fixture", dit, vae, tensors["txt"].to(bench.device), bench.device, torch.float32)
    restore = RestoreSettings(
        seed=case["seed"],
        input_noise_scale=case["input_noise_scale"],
        latent_noise_scale=case["latent_noise_scale"],
        tiling=fixture_tiling(case["tiled"] or {}),
        noise=lambda index, _shape: tensors[f"noise_b{index}"],
    )
    height, width = case["in_hw"]
    method = case["color_correction"]
    settings = StreamSettings(
        sizes=plan_sizes(width, height, case["resolution"], case["max_resolution"]),
        batch_size=case["batch_size"],
        overlap=case["temporal_overlap"],
        prepend=case["prepend_frames"],
        uniform=case["uniform_batch_size"],
        color_correction=method,
        reference=True,
    )
    frames = tensors["frames_u8"].numpy()
    stream = restore_stream(frames, lambda frame: frame, BatchRestorer(model, restore), settings)
    final = torch.stack([image.cpu() for _, image in stream])
    slack = _RANKS_SLACK if method == "lab" else 1
    for check in color_checks(f"whole way {fixture.path.stem}:", method, final, tensors["final"]):
        yield measured(check.name, check.error, most=slack * check.tolerance, note=check.note)


def integers(bench: Bench, kind: type[np.unsignedinteger]) -> Iterator[Row]:
    """Every value there is comes back as it went in."""
    values = np.arange(np.iinfo(kind).max + 1, dtype=np.int64).astype(kind).reshape(16, -1, 1)
    image = np.repeat(values, 3, axis=2)
    transfer = frame_transfer(bench.device)
    back = transfer.fetched(to_integer(to_float(transfer.staged(image), bench.device), 8 if kind is np.uint8 else 16))()
    yield equal(f"{kind.__name__} in and out: values that change", int((back != image).sum()), 0)
    yield equal(f"{kind.__name__} in and out: type", back.dtype.name, kind.__name__)


def packed(bench: Bench, kind: str) -> Iterator[Row]:
    """Packed weights are the same numbers on the device as on the processor, bit for bit."""
    blocks = random_blocks(kind, (512, 256), torch.Generator().manual_seed(0))
    here, there = dequantize(blocks, kind), dequantize(blocks.to(bench.device), kind).cpu()
    differing = here.view(torch.int32) != there.view(torch.int32)
    yield equal(f"{kind} decoded: values that differ", int(differing.sum()), 0)
    yield equal(f"{kind} decoded: not finite", int((~torch.isfinite(there)).sum()), 0)


def _fixture(path: str) -> Fixture:
    return Fixture(GOLDEN, GOLDEN / path, json.loads((GOLDEN / path).read_text()))
