from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import torch

from seedvr2.checkpoint import open_checkpoint
from seedvr2.errors import CheckpointError, OutOfMemoryError

WEIGHTS = {"blocks.0.w": torch.arange(6.0).reshape(2, 3), "blocks.0.b": torch.ones(2, dtype=torch.bfloat16)}


class Malicious:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return (Path.touch, (Path("made-by-the-pickle"),))  # type: ignore[return-value]


@pytest.mark.parametrize(
    "content",
    [
        WEIGHTS,
        {"state_dict": WEIGHTS},
        {"model": WEIGHTS, "step": 3},
        {"ema": {"module": WEIGHTS}, "model": {"blocks.0.w": torch.zeros(1)}},
        {f"module.{name}": tensor for name, tensor in WEIGHTS.items()},
    ],
    ids=["bare", "state_dict", "model", "ema-first", "prefixed"],
)
def test_dictionaries_and_their_wrappers(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pth")
    checkpoint = open_checkpoint(tmp_path / "a.pth")
    assert checkpoint.shapes == {"blocks.0.w": (2, 3), "blocks.0.b": (2,)}
    assert checkpoint.precisions == {"blocks.0.w": "float32", "blocks.0.b": "bfloat16"}
    assert torch.equal(checkpoint.tensor("blocks.0.w"), WEIGHTS["blocks.0.w"])  # type: ignore[arg-type]


def test_a_lone_tensor_is_named_after_its_file(tmp_path: Path) -> None:
    torch.save(torch.ones(58, 4), tmp_path / "pos_emb.pt")
    assert open_checkpoint(tmp_path / "pos_emb.pt").shapes == {"pos_emb": (58, 4)}


def test_the_old_format_without_zip_is_read(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    assert set(open_checkpoint(tmp_path / "a.pt").shapes) == set(WEIGHTS)


def test_code_in_a_pickle_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"w": torch.ones(1), "x": Malicious()}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"a\.pt .*could run code and are not loaded"):
        open_checkpoint(tmp_path / "a.pt")
    assert not (tmp_path / "made-by-the-pickle").exists()


def test_reading_maps_and_does_not_copy(tmp_path: Path, memory_growth: Callable[[Callable[[], object]], int]) -> None:
    size = 64 << 20
    torch.save({"w": torch.zeros(size, dtype=torch.uint8)}, tmp_path / "a.pth")

    def read() -> object:
        tensor = open_checkpoint(tmp_path / "a.pth").tensor("w")
        assert isinstance(tensor, torch.Tensor) and tensor.max() == 0
        return tensor

    assert memory_growth(read) < size // 4


@pytest.mark.parametrize("kept", [10, 700, -30])
def test_a_truncated_file_says_so(tmp_path: Path, kept: int) -> None:
    torch.save(WEIGHTS, tmp_path / "whole.pt")
    path = tmp_path / "cut.pt"
    path.write_bytes((tmp_path / "whole.pt").read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"cut\.pt is damaged"):
        open_checkpoint(path)


@pytest.mark.parametrize("content", [{"step": 3}, 7, {"model": {}}])
def test_a_file_without_tensors_says_so(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="holds no tensors"):
        open_checkpoint(tmp_path / "a.pt")


def test_a_compressed_archive_is_not_unpacked(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / "a.pth")
    bomb = tmp_path / "bomb.pth"
    with zipfile.ZipFile(tmp_path / "a.pth") as whole, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in whole.infolist():
            data = whole.read(entry)
            packed.writestr(entry.filename, data + bytes(1 << 28) if entry.filename.endswith("data.pkl") else data)
    with pytest.raises(CheckpointError, match=r"bomb\.pth is damaged.*compressed archive"):
        open_checkpoint(bomb)


@pytest.mark.filterwarnings("ignore:.*TypedStorage", "ignore:Defining your `__torch_function__`")
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "pickle"])
def test_whatever_is_changed_it_opens_or_is_refused(tmp_path: Path, zipped: bool) -> None:
    torch.save(WEIGHTS, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    whole = (tmp_path / "a.pth").read_bytes()
    random = Random(0)
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(random.randint(1, 4)):
            # The pickle is at the beginning; the rest is the archive's list and numbers.
            content[random.randrange(2, len(whole))] = random.choice((0, 1, 0x28, 0x52, 0x62, 0x7F, 0xFF))
        (tmp_path / "b.pth").write_bytes(content)
        try:
            open_checkpoint(tmp_path / "b.pth")
        except (CheckpointError, OutOfMemoryError) as error:
            assert "b.pth" in str(error)
