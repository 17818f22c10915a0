"""Reading GGUF, with the quantised files of the reference and with odd ones made here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFEndian, GGUFWriter, quants

from seedvr2.checkpoint import PackedTensor, open_checkpoint
from seedvr2.checkpoint.ggml import BLOCKS
from seedvr2.errors import CheckpointError

QUANT = Path(__file__).parents[2] / "fixtures/golden/quant"
FACTS = json.loads((QUANT / "quant_io.json").read_text())["files"]


@pytest.mark.parametrize("name", [name for name in FACTS if name.endswith(".gguf")])
def test_reference_files_dequantise_to_the_stated_hashes(name: str) -> None:
    checkpoint, facts = open_checkpoint(QUANT / name), FACTS[name]
    packed = {key for key, kind in checkpoint.precisions.items() if kind in BLOCKS}
    assert packed == set(facts["tensor_types"])
    for tensor, digest in facts["sha256_dequant_f32_little_endian"].items():
        value = checkpoint.tensor(tensor)
        assert isinstance(value, PackedTensor)
        assert value.ggml_type == facts["tensor_types"][tensor]
        assert hashlib.sha256(value.expand().numpy().tobytes()).hexdigest() == digest
    assert checkpoint.metadata["general.architecture"] == "seedvr"


def test_plain_types_keep_their_precision_and_dimensions_are_reversed(tmp_path: Path) -> None:
    writer = GGUFWriter(tmp_path / "a.gguf", "seedvr")
    arrays = {
        "f64": np.arange(6, dtype=np.float64).reshape(2, 3),
        "f32": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        "f16": np.arange(6, dtype=np.float16).reshape(3, 2),
        "i8": np.arange(-3, 3, dtype=np.int8),
    }
    for name, array in arrays.items():
        writer.add_tensor(name, array)
    bf16 = torch.randn(4, 8).bfloat16()
    writer.add_tensor("bf16", bf16.view(torch.uint8).numpy(), raw_dtype=GGMLQuantizationType.BF16)
    close(writer)
    checkpoint = open_checkpoint(tmp_path / "a.gguf")
    for name, array in arrays.items():
        value = checkpoint.tensor(name)
        assert isinstance(value, torch.Tensor)
        assert checkpoint.shapes[name] == array.shape
        assert np.array_equal(value.numpy(), array)
    assert torch.equal(checkpoint.tensor("bf16"), bf16)  # type: ignore[arg-type]
    assert checkpoint.precisions == {
        "f64": "float64", "f32": "float32", "f16": "float16", "i8": "int8", "bf16": "bfloat16",
    }  # fmt: skip


@pytest.mark.parametrize("under", ["blocks.0.w", "model.diffusion_model.blocks.0.w"])
def test_prefix_is_stripped_and_the_original_shape_restored(tmp_path: Path, under: str) -> None:
    writer = GGUFWriter(tmp_path / "a.gguf", "seedvr")
    rows = np.random.default_rng(0).standard_normal((6, 256), dtype=np.float32)
    packed = quants.quantize(rows, GGMLQuantizationType.Q8_0)
    writer.add_tensor("model.diffusion_model.blocks.0.w", packed, raw_dtype=GGMLQuantizationType.Q8_0)
    writer.add_array(f"comfy.gguf.orig_shape.{under}", [4, 3, 2, 64])
    close(writer)
    checkpoint = open_checkpoint(tmp_path / "a.gguf")
    value = checkpoint.tensor("blocks.0.w")
    assert isinstance(value, PackedTensor)
    assert checkpoint.shapes == {"blocks.0.w": (4, 3, 2, 64)} and value.shape == (4, 3, 2, 64)
    expected = quants.dequantize(packed, GGMLQuantizationType.Q8_0).reshape(4, 3, 2, 64)
    assert np.array_equal(value.expand().numpy(), expected)


def test_an_original_shape_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    writer = GGUFWriter(tmp_path / "a.gguf", "seedvr")
    writer.add_tensor("w", np.zeros((4, 4), np.float32))
    writer.add_array("comfy.gguf.orig_shape.w", [5, 4])
    close(writer)
    with pytest.raises(CheckpointError, match=r"gives w the shape \(5, 4\)"):
        open_checkpoint(tmp_path / "a.gguf")


def test_reading_maps_and_does_not_copy(tmp_path: Path, memory_growth: Callable[[Callable[[], object]], int]) -> None:
    writer = GGUFWriter(tmp_path / "a.gguf", "seedvr")
    data = np.zeros((1 << 16, 1088), np.uint8)
    writer.add_tensor("w", data, raw_dtype=GGMLQuantizationType.Q8_0)
    close(writer)

    def read() -> object:
        value = open_checkpoint(tmp_path / "a.gguf").tensor("w")
        assert isinstance(value, PackedTensor) and value.data.max() == 0  # every page has been touched
        return value

    assert memory_growth(read) < data.nbytes // 4


def test_a_big_endian_file_is_refused(tmp_path: Path) -> None:
    writer = GGUFWriter(tmp_path / "a.gguf", "seedvr", endianess=GGUFEndian.BIG)
    writer.add_tensor("w", np.ones((4, 4), np.float32))
    close(writer)
    with pytest.raises(CheckpointError, match="big-endian"):
        open_checkpoint(tmp_path / "a.gguf")


@pytest.mark.parametrize("kept", [5, 30, 600, 100_000, 212_000])
def test_a_truncated_file_says_so(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes((QUANT / "model-Q4_K.gguf").read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"cut\.gguf is damaged, incomplete or too new.*Fetch it again"):
        open_checkpoint(path)


def test_an_unknown_tensor_type_is_named_with_its_tensor(tmp_path: Path) -> None:
    content = (QUANT / "model-Q4_K.gguf").read_bytes()
    name = b"blocks.0.attn.proj_out.vid.weight"
    # After the name: the number of dimensions (4 bytes), two dimensions of 8, then the type.
    place = content.index(name) + len(name) + 4 + 16
    assert content[place] == GGMLQuantizationType.Q4_K
    path = tmp_path / "new.gguf"
    path.write_bytes(content[:place] + b"\xc8" + content[place + 1 :])
    with pytest.raises(CheckpointError, match=r"blocks\.0\.attn\.proj_out\.vid\.weight.*200"):
        open_checkpoint(path)


def close(writer: GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
