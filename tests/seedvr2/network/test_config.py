"""A configuration is read off tensors."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from seedvr2.errors import CheckpointError
from seedvr2.network.build import meta_dit, meta_vae
from seedvr2.network.config import DiTConfig, is_dit, is_vae, read_dit_config, read_vae_config
from tests.seedvr2.network.networks import SMALL_DIT, SMALL_VAE

GOLDEN = Path(__file__).parents[2] / "fixtures" / "golden"
SEVEN_B_LIKE = replace(
    SMALL_DIT, shared=(False,) * 3, gated_mlp=False, output_norm=False, last_text=True, rope="pixel", rope_frequencies=2
)


def shapes_of(network) -> dict[str, tuple[int, ...]]:  # type: ignore[no-untyped-def]
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize(
    "config",
    [SMALL_DIT, SEVEN_B_LIKE, replace(SMALL_DIT, shared=(False, False)), replace(SMALL_DIT, patch=(1, 1, 1))],
    ids=["3B-like", "7B-like", "3B-like with nothing shared", "no patches"],
)
def test_a_transformer_says_itself_what_it_is(config: DiTConfig) -> None:
    assert read_dit_config(shapes_of(meta_dit(config))) == config


def test_a_vae_says_itself_what_it_is() -> None:
    shapes = shapes_of(meta_vae(SMALL_VAE))
    assert read_vae_config(shapes, {"norm_num_groups": "4"}) == SMALL_VAE
    assert is_vae(shapes) and not is_dit(shapes)
    assert (SMALL_VAE.spatial_factor, SMALL_VAE.temporal_factor) == (4, 2)


def test_the_six_layer_distillation_of_the_7b_loads_by_the_same_code() -> None:
    manifest = json.loads((GOLDEN / "manifest_7b.json").read_text())["tensors"]
    kept = {k: tuple(v) for k, v in manifest.items() if not k.startswith("blocks.") or int(k.split(".")[1]) < 6}
    config = read_dit_config(kept)
    assert len(config.shared) == 6 and config.rope == "pixel" and config.params == "1.4B"
    assert shapes_of(meta_dit(config)) == kept


@pytest.mark.parametrize(("manifest", "params"), [("manifest_3b", "3B"), ("manifest_7b", "7B")])
def test_the_size_is_named_as_people_name_it(manifest: str, params: str) -> None:
    shapes = {k: tuple(v) for k, v in json.loads((GOLDEN / f"{manifest}.json").read_text())["tensors"].items()}
    assert read_dit_config(shapes).params == params


def test_metadata_says_what_shapes_cannot() -> None:
    shapes = shapes_of(meta_dit(SMALL_DIT))
    assert read_dit_config(shapes, {"windows": "2,8,8"}).windows == (2, 8, 8)
    with pytest.raises(CheckpointError, match="not three numbers"):
        read_dit_config(shapes, {"windows": "2,8"})
    vae = shapes_of(meta_vae(SMALL_VAE))
    assert read_vae_config(vae, {"norm_num_groups": "4", "scaling_factor": "1.5"}).scale == 1.5
    assert [
        read_vae_config(vae, {"norm_num_groups": "4"} | more).keeps_colours for more in ({}, {"keeps_colours": "true"})
    ] == [False, True]
    with pytest.raises(CheckpointError, match="32 groups"):
        read_vae_config(vae)


@pytest.mark.parametrize(
    "missing",
    ["vid_out.proj.weight", "txt_in.weight", "blocks.0.attn.norm_q.vid.weight", "blocks.1.attn.proj_qkv.all.weight"],
)
def test_a_missing_tensor_is_named(missing: str) -> None:
    shapes = shapes_of(meta_dit(SMALL_DIT))
    if missing.startswith("blocks.1"):
        shapes = {k: v for k, v in shapes.items() if not k.startswith("blocks.1.")}
        missing = "blocks"
    else:
        del shapes[missing]
    with pytest.raises(CheckpointError, match=missing):
        read_dit_config(shapes)
