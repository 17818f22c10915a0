"""Conversions between all formats, with the reference's small model as the source."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from safetensors.torch import load_file, save_file

from seedvr2.checkpoint import Checkpoint, PackedTensor, cli, open_checkpoint
from seedvr2.checkpoint.convert import convert
from seedvr2.checkpoint.recipe import PACKED, stored_bytes
from seedvr2.errors import CheckpointError, OptionError
from tests.seedvr2.checkpoint.conftest import private_bytes

GOLDEN = Path(__file__).parents[2] / "fixtures/golden"
SOURCE = GOLDEN / "quant/model_bf16.safetensors"
ROPE = "blocks.0.attn.rope.rope.freqs"
MATRIX = "blocks.0.attn.proj_out.vid.weight"


def numbers(checkpoint: Checkpoint, name: str) -> torch.Tensor:
    value = checkpoint.tensor(name)
    return value.expand() if isinstance(value, PackedTensor) else value.float()


def distance(one: Checkpoint, other: Checkpoint, name: str) -> float:
    a, b = numbers(one, name), numbers(other, name)
    return float((a - b).norm() / a.norm().clamp(min=1e-12))


@pytest.mark.parametrize(
    ("precision", "suffix", "matrix", "rest", "error"),
    [
        ("fp32", ".safetensors", "float32", "float32", 0.0),
        ("fp16", ".safetensors", "float16", "float16", 5e-4),
        ("bf16", ".safetensors", "bfloat16", "bfloat16", 4e-3),
        ("fp8_e4m3fn", ".safetensors", "float8_e4m3fn", "float16", 4e-2),
        ("fp32", ".gguf", "float32", "float32", 0.0),
        ("fp16", ".gguf", "float16", "float16", 5e-4),
        ("bf16", ".gguf", "bfloat16", "bfloat16", 4e-3),
        ("Q8_0", ".gguf", "Q8_0", "float16", 8e-3),
        ("Q6_K", ".gguf", "Q6_K", "float16", 3e-2),
        ("Q4_K_M", ".gguf", "Q4_K", "float16", 0.11),
        ("Q2_K", ".gguf", "Q2_K", "float16", 0.4),
    ],
)
def test_each_precision(tmp_path: Path, precision: str, suffix: str, matrix: str, rest: str, error: float) -> None:
    target = tmp_path / f"out{suffix}"
    size = convert(SOURCE, target, precision)
    assert size == target.stat().st_size
    before, after = open_checkpoint(SOURCE), open_checkpoint(target)
    assert after.shapes == before.shapes
    assert after.precisions[MATRIX] == matrix
    assert after.precisions["vid_in.proj.weight"] == rest
    assert after.precisions[ROPE] == "float32"
    assert max(distance(before, after, name) for name in before.shapes) <= error
    assert torch.equal(numbers(after, ROPE), numbers(before, ROPE))
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_rows_too_short_for_a_type_fall_back_to_a_smaller_block_and_then_to_float16(tmp_path: Path) -> None:
    shapes = {"a": (8, 512), "b": (8, 96), "c": (8, 20)}
    save_file({f"blocks.0.{name}.weight": torch.randn(*shape) for name, shape in shapes.items()}, tmp_path / "in")
    convert(tmp_path / "in", tmp_path / "out.gguf", "Q4_K_M")
    stored = open_checkpoint(tmp_path / "out.gguf").precisions
    assert [stored[f"blocks.0.{name}.weight"] for name in "abc"] == ["Q4_K", "Q8_0", "float16"]


def test_packed_weights_of_the_same_type_are_copied_bit_for_bit(tmp_path: Path) -> None:
    source = GOLDEN / "quant/model-Q4_K.gguf"
    convert(source, tmp_path / "out.gguf", "Q4_K")
    before, after = open_checkpoint(source), open_checkpoint(tmp_path / "out.gguf")
    packed = [name for name, kind in before.precisions.items() if kind in ("Q4_K", "Q8_0")]
    assert len(packed) == 15
    for name in packed:
        assert torch.equal(before.tensor(name).data, after.tensor(name).data)


def test_from_gguf_to_safetensors_the_numbers_are_the_dequantised_ones(tmp_path: Path) -> None:
    source = GOLDEN / "quant/model-Q6_K.gguf"
    convert(source, tmp_path / "out.safetensors", "fp32")
    before, after = open_checkpoint(source), load_file(tmp_path / "out.safetensors")
    assert set(after) == set(before.shapes)
    for name, tensor in after.items():
        assert torch.equal(tensor, numbers(before, name))


def test_from_a_pickle_with_prefixes(tmp_path: Path) -> None:
    torch.save({"state_dict": {"module.blocks.0.w": torch.eye(64)}}, tmp_path / "in.pth")
    convert(tmp_path / "in.pth", tmp_path / "out.gguf", "Q8_0")
    assert open_checkpoint(tmp_path / "out.gguf").shapes == {"blocks.0.w": (64, 64)}


def test_numbers_out_of_range_take_the_end_of_the_range(tmp_path: Path) -> None:
    save_file({"blocks.0.w": torch.tensor([[1e6, -1e6, 1.0, 460.0]]), "b": torch.tensor([-1e6])}, tmp_path / "in")
    convert(tmp_path / "in", tmp_path / "out.safetensors", "fp8_e4m3fn")
    after = load_file(tmp_path / "out.safetensors")
    assert after["blocks.0.w"].float().tolist() == [[448.0, -448.0, 1.0, 448.0]]
    assert after["b"].tolist() == [-65504.0]


def test_metadata_integers_and_text_embeddings_are_kept(tmp_path: Path) -> None:
    embedding = torch.randn(3, 4).bfloat16()
    tensors = {"blocks.0.w": torch.randn(4, 256), "positive_conditioning": embedding, "step": torch.tensor([7])}
    save_file(tensors, tmp_path / "in", metadata={"author": "someone"})
    convert(tmp_path / "in", tmp_path / "out.gguf", "Q4_K")
    convert(tmp_path / "out.gguf", tmp_path / "back.safetensors", "fp8_e4m3fn")
    for name in ("out.gguf", "back.safetensors"):
        after = open_checkpoint(tmp_path / name)
        assert after.metadata["author"] == "someone"
        assert torch.equal(after.tensor("positive_conditioning"), embedding)  # type: ignore[arg-type]
        assert after.precisions["step"] == "int64"


def test_gguf_of_a_network_with_five_dimensions_folds_and_unfolds_them(tmp_path: Path) -> None:
    weight = torch.randn(4, 3, 3, 3, 3)
    save_file({"encoder.conv_in.weight": weight}, tmp_path / "in")
    convert(tmp_path / "in", tmp_path / "out.gguf", "fp32")
    assert list(GGUFReader(tmp_path / "out.gguf").tensors[0].shape) == [81, 4]
    assert np.array_equal(numbers(open_checkpoint(tmp_path / "out.gguf"), "encoder.conv_in.weight"), weight)


def test_the_file_type_says_what_most_of_it_is(tmp_path: Path) -> None:
    save_file({"blocks.0.w": torch.randn(64, 256), "b": torch.ones(3)}, tmp_path / "in")
    for precision, number in {"Q4_K_M": "15", "Q6_K": "18", "Q8_0": "7", "fp16": "1", "fp32": "0"}.items():
        convert(tmp_path / "in", tmp_path / "out.gguf", precision, overwrite=True)
        metadata = open_checkpoint(tmp_path / "out.gguf").metadata
        assert metadata["general.file_type"] == number
        assert metadata["general.architecture"] == "seedvr"


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    convert(SOURCE, tmp_path / "out.safetensors", "fp16", on_progress=lambda done, total: seen.append((done, total)))
    assert len(seen) == len(open_checkpoint(SOURCE).shapes)
    assert seen[-1][0] == seen[-1][1] and [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize("target", ["out.safetensors", "out.gguf"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, target: str) -> None:
    tensors = {f"blocks.{index}.w": torch.zeros(1024, 1024) for index in range(40)}  # 160 MB
    save_file(tensors, tmp_path / "in")
    del tensors
    before, seen = private_bytes(), []
    convert(tmp_path / "in", tmp_path / target, "fp32", on_progress=lambda *_: seen.append(private_bytes()))
    assert max(seen) - before < 30 << 20


def test_an_existing_file_is_kept_unless_told(tmp_path: Path) -> None:
    target = tmp_path / "out.safetensors"
    target.write_bytes(b"mine")
    with pytest.raises(CheckpointError, match="exists; choose another name, or replace it with --force"):
        convert(SOURCE, target, "fp16")
    assert target.read_bytes() == b"mine"
    convert(SOURCE, target, "fp16", overwrite=True)
    assert target.stat().st_size > 100_000


@pytest.mark.parametrize(
    ("target", "precision", "said"),
    [
        ("a.safetensors", "Q4_K_M", "Only GGUF can hold Q4_K_M"),
        ("a.gguf", "fp8_e4m3fn", "GGUF cannot hold float8_e4m3fn"),
        ("a.gguf", "int4", "precision takes one of fp32, fp16"),
        ("a.pth", "fp16", r"ends in \.safetensors or \.gguf"),
    ],
)
def test_what_does_not_go_together_is_said(tmp_path: Path, target: str, precision: str, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        convert(SOURCE, tmp_path / target, precision)
    assert list(tmp_path.iterdir()) == []


def test_a_vae_is_not_made_smaller_than_its_network_bears(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no transformer blocks that Q8_0 could make smaller"):
        convert(GOLDEN / "vae/weights.safetensors", tmp_path / "a.gguf", "Q8_0")


def test_undefined_numbers_are_refused(tmp_path: Path) -> None:
    save_file({"blocks.0.w": torch.full((2, 32), float("nan"))}, tmp_path / "in")
    with pytest.raises(CheckpointError, match=r"infinite or undefined numbers in blocks\.0\.w"):
        convert(tmp_path / "in", tmp_path / "out.gguf", "Q8_0")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"There is no folder .*nowhere; make it first"):
        convert(SOURCE, tmp_path / "nowhere/a.gguf", "fp16")


@pytest.mark.parametrize(("precision", "kind"), list(PACKED.items()))
def test_sizes_are_foretold(tmp_path: Path, precision: str, kind: str) -> None:
    save_file({"blocks.0.w": torch.randn(16, 256)}, tmp_path / "in")
    convert(tmp_path / "in", tmp_path / "out.gguf", precision)
    value = open_checkpoint(tmp_path / "out.gguf").tensor("blocks.0.w")
    assert value.nbytes == stored_bytes(kind, (16, 256))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    cli.add_parser(parser.add_subparsers(required=True))
    arguments = parser.parse_args(["convert", str(SOURCE), str(tmp_path / "a.gguf"), "--precision", "Q4_K_M"])
    assert arguments.run(arguments) == 0
    assert "a.gguf: 0.00 GB in" in capsys.readouterr().out
    assert open_checkpoint(tmp_path / "a.gguf").precisions[MATRIX] == "Q4_K"
