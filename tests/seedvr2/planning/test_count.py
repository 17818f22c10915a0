"""The table of memory is that of the networks as they are: a change of them shows here.

If one of these fails after a change of the networks or the pipeline, that change made the table wrong:
`make memory-table` counts again.
"""

from __future__ import annotations

import json
from dataclasses import replace
from math import prod
from pathlib import Path

import pytest
from torch import Tensor

from seedvr2.network import memo
from seedvr2.network.build import meta_dit, meta_vae
from seedvr2.network.conditioning import timestep_frequencies
from seedvr2.network.winograd import Filtering, filtering
from seedvr2.planning import needs
from seedvr2.planning.count import count_dit, count_expansion, count_pixels, count_vae
from seedvr2.planning.published import DIT_3B, DIT_7B, VAE, transformers, vaes

GOLDEN = Path(__file__).parents[2] / "fixtures" / "golden"
# The table holds the largest rate of its sizes, rounded.
CLOSE = 0.02


def rate(part: str, frames: int) -> float:
    rows: dict[int, float] = dict(needs.table()["vae"]["seedvr2"]["lean"][part])
    return rows[frames]


@pytest.mark.parametrize("frames", [1, 5, pytest.param(17, marks=pytest.mark.long)])
def test_the_vae_takes_what_the_table_says(frames: int) -> None:
    size = (768, 640)
    counted = count_vae(VAE, frames, size)
    for part, count in zip(("encode", "decode"), counted, strict=True):
        assert count / prod(size) == pytest.approx(rate(part, frames), rel=CLOSE)


@pytest.mark.parametrize("name", ["3B", pytest.param("7B", marks=pytest.mark.long)])
def test_the_transformer_takes_what_the_table_says(name: str) -> None:
    config = transformers()[name]
    counted = max(count_dit(config, (2, *grid)) / (2 * prod(grid) / 4) for grid in ((90, 160), (136, 240), (270, 480)))
    assert counted == pytest.approx(dict(needs.table()["transformer"][name])[2], rel=CLOSE)


def test_the_blocks_of_a_transformer_work_in_the_same_memory() -> None:
    few = replace(DIT_3B, shared=(False,) * 3 + (True,) * 5)
    grid = (2, 90, 160)
    assert count_dit(few, grid, every_block=True) == pytest.approx(count_dit(few, grid), rel=CLOSE)


def test_frames_and_quantised_weights_take_what_the_table_says() -> None:
    source, result = (640, 360), 1280 * 720
    rates = needs.table()["pixels"]
    wanted = 5 * (prod(source) * rates["source"] + result * rates["result"])
    assert count_pixels(source, 720, 5) == pytest.approx(wanted, rel=CLOSE)
    assert count_expansion("Q4_K") == pytest.approx(needs.table()["expansion"]["Q4_K"], abs=0.1)


def test_counting_leaves_nothing_behind() -> None:
    count_dit(transformers()["nano"], (1, 16, 16))
    assert memo.kept() == 0
    # Of what is computed once in the life of a process, nothing may be without data then.
    kept = timestep_frequencies(), *vars_of(filtering(2)), *vars_of(filtering(4))
    assert all(type(tensor) is Tensor for tensor in kept)


def vars_of(matrices: Filtering) -> tuple[Tensor, ...]:
    return matrices.outputs, matrices.kernel, matrices.inputs


def test_the_configurations_are_those_of_the_published_files() -> None:
    for config, name in ((DIT_3B, "3b"), (DIT_7B, "7b")):
        manifest = json.loads((GOLDEN / f"manifest_{name}.json").read_text())
        shapes = {key: tuple(tensor.shape) for key, tensor in meta_dit(config).state_dict().items()}
        assert shapes == _shapes(manifest)
    shapes = {key: tuple(tensor.shape) for key, tensor in meta_vae(VAE).state_dict().items()}
    assert shapes == _shapes(json.loads((GOLDEN / "manifest_vae.json").read_text()))


def _shapes(manifest: dict[str, object]) -> dict[str, tuple[int, ...]]:
    tensors = manifest["tensors"]
    assert isinstance(tensors, dict)
    return {key: tuple(value["shape"] if isinstance(value, dict) else value) for key, value in tensors.items()}


def test_between_the_rows_and_beyond_them_the_need_grows_with_the_frames() -> None:
    decode = [needs.vae_bytes(VAE, 1280, 720, frames, 2)[1] for frames in (1, 3, 5, 13, 41, 81, 161)]
    assert decode == sorted(decode) and len(set(decode)) == len(decode)
    assert needs.vae_bytes(VAE, 1280, 720, 5, 4)[1] == 2 * needs.vae_bytes(VAE, 1280, 720, 5, 2)[1]


def test_a_network_of_somebodys_own_takes_at_least_what_a_counted_one_of_its_width_does() -> None:
    wide = replace(vaes()["seedvr2"], widths=(128, 384, 512, 512))
    assert needs.vae_bytes(wide, 512, 512, 5, 2)[1] > needs.vae_bytes(VAE, 512, 512, 5, 2)[1]
    deep = replace(DIT_3B, shared=DIT_3B.shared[:-2])
    assert needs.dit_bytes(deep, (2, 45, 80), 2) == needs.dit_bytes(DIT_3B, (2, 45, 80), 2)
