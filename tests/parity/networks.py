"""Parity of the two networks: transformer, VAE, quantised files, and the real models' names and shapes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from seedvr2.checkpoint import PackedTensor, open_checkpoint
from seedvr2.network.build import load_dit, load_vae, meta_dit, meta_vae
from seedvr2.network.config import DiTConfig, VAEConfig, read_dit_config, read_vae_config
from seedvr2.network.dit import DiT
from seedvr2.network.tiling import Tiling, decode_tiled, encode_tiled
from seedvr2.network.vae import VideoVAE
from seedvr2.pipeline.sampler import model_input
from tests.parity.report import Check, Fixture, relative, same, sha256, worst

TOLERANCE = 1e-4


def fixture_dit(fixture: Fixture, weights: str, config: dict, window: list[int]) -> DiT:
    """A transformer of a fixture, in float32, with the case's window setting."""
    dit = load_dit(open_checkpoint(fixture.resolve(weights)))
    dit.config = replace(dit.config, windows=(window[0], window[1], window[2]))
    assert not list(differences(dit.config, config)), list(differences(dit.config, config))
    return dit


def fixture_vae(fixture: Fixture, weights: str, config: dict, scale: float = 0.9152) -> VideoVAE:
    """A VAE of a fixture, in float32."""
    checkpoint = open_checkpoint(fixture.resolve(weights))
    checkpoint.metadata.update(norm_num_groups=str(config["norm_num_groups"]), scaling_factor=str(scale))
    vae = load_vae(checkpoint)
    vae.config = replace(vae.config, slice_frames=config["slicing_sample_min_size"])
    assert not list(vae_differences(vae.config, config)), list(vae_differences(vae.config, config))
    return vae


def differences(config: DiTConfig, wanted: dict) -> Iterator[str]:
    """Where a configuration read off tensors is not the one that the fixture states."""
    read = {
        "vid_in_channels": config.input_channels,
        "vid_out_channels": config.latent_channels,
        "vid_dim": config.dim,
        "txt_in_dim": config.text_channels,
        "heads": config.heads,
        "head_dim": config.head_dim,
        "patch_size": list(config.patch),
        "num_layers": len(config.shared),
        "mlp_type": "swiglu" if config.gated_mlp else "normal",
        "mm_layers": sum(not shared for shared in config.shared),
    }
    for key, value in read.items():
        if key in wanted and wanted[key] != value:
            yield f"{key}: {value} instead of {wanted[key]}"


def vae_differences(config: VAEConfig, wanted: dict) -> Iterator[str]:
    """The same for a VAE."""
    read = {
        "block_out_channels": list(config.widths),
        "latent_channels": config.latent_channels,
        "layers_per_block": config.resnets,
        "spatial_downsample_factor": config.spatial_factor,
        "temporal_downsample_factor": config.temporal_factor,
    }
    for key, value in read.items():
        if key in wanted and wanted[key] != value:
            yield f"{key}: {value} instead of {wanted[key]}"


def weights_cases(fixture: Fixture) -> Iterator[Check]:
    """A file of weights loads strictly, with exactly the tensors that its JSON lists."""
    path = fixture.resolve(fixture.data["file"])
    shapes = open_checkpoint(path).shapes
    wanted = {name: tuple(entry["shape"]) for name, entry in fixture.data["tensors"].items()}
    yield same(f"{fixture.name} tensors", dict(shapes), wanted)


def dit_cases(fixture: Fixture) -> Iterator[Check]:
    case, tensors = fixture.data, fixture.tensors()
    dit = fixture_dit(fixture, case["weights"], case["config"], case["config"]["window"])
    stations: dict[str, Tensor] = {}
    with torch.no_grad():
        out = dit(
            model_input(tensors["noise"], tensors["cond"]),
            tensors["txt"],
            case["timestep"],
            lambda name, tensor: stations.__setitem__(name, tensor),
        )
    yield worst(f"{fixture.name} out", out, tensors["out"], TOLERANCE)
    # The text after the last block is read by nobody (engine.md, 1.8) and not computed.
    last = f"block{len(dit.blocks) - 1}.txt"
    for name in tensors.keys() - {"noise", "cond", "txt", "out", last}:
        if name not in stations:
            yield Check(f"{fixture.name} {name}", float("nan"), TOLERANCE, "no such station")
        else:
            yield worst(f"{fixture.name} {name}", stations[name], tensors[name], TOLERANCE)


def vae_cases(fixture: Fixture) -> Iterator[Check]:
    case, tensors = fixture.data, fixture.tensors()
    vae = fixture_vae(fixture, case["weights"], case["config"], case.get("scaling_factor", 0.9152))
    tiling = None
    if "tile_size_hw" in case:
        tiling = Tiling(tuple(case["tile_size_hw"]), tuple(case["tile_overlap_hw"]))
    results: dict[str, Tensor] = {}
    with torch.no_grad():
        if "x" in tensors:
            x = tensors["x"]
            results["latent"] = encode_tiled(vae, x, tiling) if tiling else vae.encode(x)
            results["h"] = vae.posterior(x) if "h" in tensors else torch.empty(0)
        if "z_in" in tensors:
            z = tensors["z_in"]
            results["dec"] = decode_tiled(vae, z, tiling) if tiling else vae.decode(z)
    for name in tensors.keys() - {"x", "z_in"}:
        yield worst(f"{fixture.name} {name}", results.get(name, torch.empty(0)), tensors[name], TOLERANCE)


def quant_cases(fixture: Fixture) -> Iterator[Check]:
    case, tensors = fixture.data, fixture.tensors()
    latent = model_input(tensors["noise"], tensors["cond"])
    window = case["config"]["window"]
    for file, facts in case["files"].items():
        stem, name = file.rsplit(".", 1)[0], f"{fixture.name} {file}"
        checkpoint = open_checkpoint(fixture.resolve(file))
        for tensor, digest in facts.get("sha256_dequant_f32_little_endian", {}).items():
            yield same(f"{name} sha256 of {tensor}", sha256(_full(checkpoint.tensor(tensor))), digest)
        for tensor, kind in facts.get("tensor_types", {}).items():
            yield same(f"{name} type of {tensor}", checkpoint.precisions[tensor], kind)
        for key in tensors:
            prefix = f"deq_{stem}."
            if key.startswith(prefix):
                yield worst(f"{name} {key}", _full(checkpoint.tensor(key[len(prefix) :])), tensors[key], 0.0)
        for suffix, stored, tolerance in (
            ("_exact_f32_dequant", True, 1e-3),
            ("_exact_rope", False, 2e-3),
            ("", True, 2e-3),
        ):
            if (key := f"out_{stem}{suffix}") not in tensors:
                continue
            dit = fixture_dit(fixture, file, case["config"], window)
            if stored:
                dit.use_stored_frequencies()
            with torch.no_grad():
                out = dit(latent, tensors["txt"], case["timestep"])
            yield relative(f"{name} {key}", out, tensors[key], tolerance)


def _full(stored: Tensor | PackedTensor) -> Tensor:
    return stored.expand() if isinstance(stored, PackedTensor) else stored.float()


def manifest_cases(fixture: Fixture) -> Iterator[Check]:
    """The real models, without memory behind them, have exactly the names and shapes of the published files."""
    shapes = {name: tuple(shape) for name, shape in fixture.data["tensors"].items()}
    if "block_out_channels" in fixture.data["config"]:
        network: torch.nn.Module = meta_vae(read_vae_config(shapes))
        faults = list(vae_differences(read_vae_config(shapes), fixture.data["config"]))
    else:
        network = meta_dit(read_dit_config(shapes))
        faults = list(differences(read_dit_config(shapes), fixture.data["config"]))
    built = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    yield same(f"{fixture.name} names and shapes", built, shapes)
    yield same(f"{fixture.name} configuration", faults, [])
    yield same(f"{fixture.name} count", len(built), fixture.data["tensor_count"])
