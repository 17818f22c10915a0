"""The table of what networks take, counted: `python -m seedvr2.planning.count` writes `memory_table.json`.

To be run again whenever the networks or the pipeline around them change. Everything is counted in half precision (two
bytes a number); in float32 it is at most twice as much. Valid for frames from a tile up, without cuDNN's workspace.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from math import prod
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from seedvr2.checkpoint.ggml import BLOCKS, ENCODERS
from seedvr2.checkpoint.ggml.decoding import DECODERS
from seedvr2.network.build import channels_last, meta_dit, meta_vae
from seedvr2.network.config import DiTConfig, VAEConfig
from seedvr2.network.stored import place
from seedvr2.network.vae import VideoVAE
from seedvr2.pipeline.finishing import StreamSettings
from seedvr2.pipeline.restore import BatchRestorer
from seedvr2.pipeline.sizes import Size, plan_sizes
from seedvr2.pipeline.stream import restore_stream
from seedvr2.planning.live import Elsewhere, counted, dataless
from seedvr2.planning.published import transformers, vaes

TABLE = Path(__file__).with_name("memory_table.json")
HALF = torch.bfloat16
# One frame; a first slice; two and four more; a long clip, of which only the result grows.
FRAMES = (1, 5, 9, 17, 33)
AREAS = ((512, 512), (1280, 720))
LATENT_FRAMES = (1, 2, 3, 6, 21)
GRIDS = ((90, 160), (136, 240), (270, 480))
_TEXT_LENGTH = 58
_ELEMENTS = 1 << 22


def count_vae(config: VAEConfig, frames: int, size: Size, *, roomy: bool = False) -> tuple[int, int]:
    """Peak bytes of encoding and of decoding a clip of `frames` frames of `size`, beside weights and input."""
    width, height = size
    vae = meta_vae(config)
    vae.roomy, vae.away = roomy, Elsewhere
    with dataless():
        without_numbers(vae)
        use_all(vae)
        clip = torch.empty(3, frames, height, width, dtype=HALF)
        with counted() as encoding:
            latent = vae.encode(clip)
        latent = torch.empty(latent.shape, dtype=HALF)
        with counted() as decoding:
            vae.decode(latent)
    return encoding.peak, decoding.peak


def count_forms(config: VAEConfig) -> int:
    """Bytes of what is made of the VAE's weights when they are used first, beside the weights."""
    vae = meta_vae(config)
    vae.away = Elsewhere
    with dataless():
        without_numbers(vae)
        with counted() as live:
            use_all(vae)
        return live.live


def use_all(vae: VideoVAE) -> None:
    """A clip of each kind of slice through a VAE: all that is made of its weights is there afterwards."""
    vae.decode(vae.encode(torch.empty(3, 1 + 2 * vae.config.slice_frames, 64, 64, dtype=HALF)))


def count_dit(config: DiTConfig, grid: tuple[int, int, int], *, every_block: bool = False) -> int:
    """Peak bytes of the transformer over a latent clip (t, h, w), beside its weights and its input.

    One block of each kind and each shift is counted unless `every_block`: they follow one another in the same memory.
    """
    if not every_block:
        kinds = [shared for shared in (False, True) if shared in config.shared]
        config = replace(config, shared=tuple(shared for shared in kinds for _ in range(2)))
    dit = meta_dit(config)
    with dataless():
        without_numbers(dit)
        latent = torch.empty(*grid, config.input_channels, dtype=HALF)
        text = torch.empty(_TEXT_LENGTH, config.text_channels, dtype=HALF)
        with counted() as live:
            dit(latent, text)
    return live.peak


def count_expansion(kind: str) -> float:
    """Bytes per number while blocks of a ggml type are decoded, beside the result."""
    elements, block_bytes = BLOCKS[kind]
    with dataless():
        blocks = torch.empty(_ELEMENTS // elements, block_bytes, dtype=torch.uint8)
        out = torch.empty(_ELEMENTS // elements, elements)
        with counted() as live:
            DECODERS[kind](blocks, out)
    # The exact numbers, before they are rounded.
    return live.peak / _ELEMENTS + torch.float32.itemsize


def count_pixels(source: Size, resolution: int, batch: int) -> int:
    """Bytes of the frames that are alive on the device while the second batch of a video is restored."""
    sizes = plan_sizes(*source, resolution)
    image = np.zeros((source[1], source[0], 3), np.uint8)
    held: list[int] = []
    vae = vaes()["seedvr2"]
    with dataless(), counted() as live:

        class Restorer:
            model = SimpleNamespace(device=torch.device("cpu"), dtype=HALF, vae=SimpleNamespace(config=vae))
            frame_dtype = HALF

            def restore(self, frames: Tensor, _index: int) -> Tensor:
                # The clip itself is gone before anything is decoded.
                held.append(live.live - frames.nbytes)
                return torch.empty(frames.shape)

        settings = StreamSettings(sizes=sizes, batch_size=batch, color_correction="none")
        restorer = cast(BatchRestorer, Restorer())
        for _ in restore_stream(range(2 * batch), lambda _item: image, restorer, settings):
            pass
    return held[1]


def without_numbers(network: nn.Module, dtype: torch.dtype = HALF) -> None:
    """Give a network of the "meta" device weights as they are on a GPU: vectors in float32, the rest in `dtype`."""
    for name, tensor in list(network.state_dict().items()):
        numbers = torch.empty(tuple(tensor.shape), dtype=dtype if tensor.ndim > 1 else torch.float32)
        place(network, name, channels_last(numbers))


def make_table() -> dict[str, Any]:
    """Everything counted: bytes per pixel of a frame, per token, per number, per pixel and frame."""
    return {
        "torch": torch.__version__.split("+")[0],
        "vae": {
            name: {
                way: dict(zip(("encode", "decode"), _vae_rows(config, roomy=way == "roomy"), strict=True))
                for way in ("lean", "roomy")
            }
            | {"forms": count_forms(config)}
            for name, config in vaes().items()
        },
        "transformer": {name: list(_dit_rows(config)) for name, config in transformers().items()},
        "expansion": {kind: round(count_expansion(kind), 1) for kind in sorted(ENCODERS)},
        "pixels": _pixels(),
    }


def _vae_rows(config: VAEConfig, *, roomy: bool) -> tuple[list[list[float]], list[list[float]]]:
    rows: tuple[list[list[float]], list[list[float]]] = ([], [])
    for frames in FRAMES:
        counts = [(size, count_vae(config, frames, size, roomy=roomy)) for size in AREAS]
        for index, part in enumerate(rows):
            part.append([frames, round(max(both[index] / prod(size) for size, both in counts), 1)])
    return rows


def _dit_rows(config: DiTConfig) -> Iterator[list[float]]:
    for frames in LATENT_FRAMES:
        grids = [(frames, *(n // config.patch[1] * config.patch[1] for n in grid)) for grid in GRIDS]
        area = prod(config.patch)
        yield [frames, round(max(count_dit(config, (t, h, w)) * area / (t * h * w) for t, h, w in grids), 1)]


def _pixels() -> dict[str, float]:
    """Bytes per pixel and frame of the result, and of the source; from two sources of one result."""
    batch, result = 5, 1920 * 1088 * 5
    small, large = (count_pixels(source, 1080, batch) for source in ((960, 540), (1920, 1080)))
    of_source = (large - small) / (batch * (1920 * 1080 - 960 * 540))
    return {"source": round(of_source, 1), "result": round((large - of_source * batch * 1920 * 1080) / result, 1)}


def main() -> None:
    """Count and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=TABLE)
    target = parser.parse_args().out
    target.write_text(json.dumps(make_table(), indent=1) + "\n")
    print(target)


if __name__ == "__main__":
    main()
