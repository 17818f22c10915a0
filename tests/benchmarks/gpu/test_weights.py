"""Random models: at the stored precision, finite, of the usual spread, and the published ones by their shapes."""

from __future__ import annotations

import pytest
import torch

from benchmarks.gpu import scale
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.weights import model_bytes, random_blocks, random_checkpoint, random_dit, random_model
from seedvr2.checkpoint import PackedTensor
from seedvr2.checkpoint.ggml import dequantize
from seedvr2.network.build import meta_dit, meta_vae

CPU = torch.device("cpu")
MATRIX = "blocks.1.mlp.all.proj_in.weight"


@pytest.mark.parametrize(
    ("precision", "stored"),
    [("fp16", "float16"), ("fp8_e4m3fn", "float8_e4m3fn"), ("Q8_0", "Q8_0"), ("Q4_K_M", "Q4_K")],
)
def test_large_matrices_stay_at_their_stored_precision(bench: Bench, precision: str, stored: str) -> None:
    dit = random_dit(bench.scale.dits["3B"], precision, CPU, torch.float32)
    weight = dit.blocks[1].mlp.all.proj_in.weight
    kind = weight.ggml_type if isinstance(weight, PackedTensor) else str(weight.dtype).removeprefix("torch.")
    assert kind == stored
    again = random_checkpoint(meta_dit(bench.scale.dits["3B"]), precision, CPU).tensor(MATRIX)
    numbers, same = (part.expand() if isinstance(part, PackedTensor) else part.float() for part in (weight, again))
    assert torch.equal(numbers, same)
    assert numbers.std().item() == pytest.approx(256**-0.5, rel=0.1)
    assert abs(numbers.mean().item()) < 0.01


@pytest.mark.parametrize("kind", ["Q4_K", "Q8_0"])
@pytest.mark.parametrize("width", [256, 12288])
def test_random_blocks_are_finite_numbers_of_the_usual_spread(kind: str, width: int) -> None:
    numbers = dequantize(random_blocks(kind, (64, width), torch.Generator().manual_seed(1)), kind)
    assert torch.isfinite(numbers).all()
    assert numbers.std().item() == pytest.approx(width**-0.5, rel=0.1)
    assert abs(numbers.mean().item()) < 0.1 * width**-0.5


def test_a_model_computes_something_finite_that_depends_on_its_input(bench: Bench) -> None:
    model = random_model(bench, "7B", "Q4_K_M")
    config = model.dit.config
    latents = torch.randn(2, 1, 4, 4, config.input_channels).to(model.dtype)
    first, second = (model.dit(latent, model.text) for latent in latents)
    assert torch.isfinite(first).all() and first.std() > 0.01
    assert (first - second).abs().max() > 0.01


def test_the_bytes_of_a_model_are_those_of_its_tensors(bench: Bench) -> None:
    networks = (meta_dit(bench.scale.dits["3B"]), "Q4_K_M"), (meta_vae(bench.scale.vae), "fp16")
    total = 0
    for network, precision in networks:
        checkpoint = random_checkpoint(network, precision, CPU)
        total += sum(checkpoint.tensor(name).nbytes for name in checkpoint.shapes)
    assert model_bytes(bench, "3B", "Q4_K_M") == total


def test_the_real_sizes_are_those_of_the_published_models() -> None:
    full = Bench(CPU, scale.full())
    assert [full.scale.dits[name].params for name in ("3B", "7B")] == ["3B", "7B"]
    assert model_bytes(full, "3B", "fp16") / 1e9 == pytest.approx(7.3, abs=0.1)
    assert model_bytes(full, "7B", "Q4_K_M") / 1e9 == pytest.approx(5.3, abs=0.2)
    # Every precision that is run has numbers of its own at these widths, not those of a type it falls back to.
    kinds = random_checkpoint(meta_dit(full.scale.dits["7B"]), "Q4_K_M", CPU).precisions
    assert kinds["blocks.0.mlp.vid.proj_out.weight"] == "Q4_K"
