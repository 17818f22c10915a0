"""Heads of GGUF files that lie: each is refused at once, in little memory."""

from __future__ import annotations

import resource
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader, GGUFWriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seedvr2.checkpoint import open_checkpoint
from seedvr2.checkpoint.gguf_header import HeaderError, read_header
from seedvr2.errors import CheckpointError

ROOT = Path(__file__).parents[3]
QUANT = ROOT / "tests/fixtures/golden/quant"
HUGE = 1 << 63
STRING, ARRAY, UINT8 = 8, 9, 0


def text(value: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(value) if length is None else length) + value


def head(tensors: int = 0, values: int = 0, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, values)


def array(kind: int, count: int, content: bytes = b"") -> bytes:
    return text(b"a") + struct.pack("<IIQ", ARRAY, kind, count) + content


def tensor(axes: tuple[int, ...] = (4,), kind: int = 0, offset: int = 0, rank: int | None = None) -> bytes:
    rank = len(axes) if rank is None else rank
    return text(b"w") + struct.pack(f"<I{len(axes)}QIQ", rank, *axes, kind, offset)


LIES = {
    "an array of 2^63 elements": head(values=1) + array(UINT8, HUGE),
    "2^63 nested arrays": head(values=1) + array(ARRAY, HUGE, struct.pack("<IQ", ARRAY, HUGE) * 4),
    "arrays in arrays in arrays": head(values=1) + array(ARRAY, 1, struct.pack("<IQ", ARRAY, 1) * 5000),
    "empty arrays without end": head(values=1) + array(ARRAY, HUGE >> 1, struct.pack("<IQ", UINT8, 0) * 4),
    "a text of 2^63 bytes": head(values=1) + text(b"a") + struct.pack("<I", STRING) + text(b"", HUGE),
    "a name of 2^63 bytes": head(values=1) + text(b"", HUGE),
    "2^63 values": head(values=HUGE),
    "2^63 tensors": head(tensors=HUGE),
    "2^32 axes": head(1) + tensor(rank=2**32 - 1),
    "no axes": head(1) + tensor(axes=()),
    "a product beyond 64 bits": head(1) + tensor((2**62, 2**62)) + bytes(64),
    "a product that wraps to little": head(1) + tensor((2**32, 2**32)) + bytes(64),
    "an empty axis": head(1) + tensor((0, 4)) + bytes(64),
    "an offset behind the end": head(1) + tensor(offset=2**40) + bytes(64),
    "an offset that wraps": head(1) + tensor(offset=2**64 - 16) + bytes(64),
    "half a block": head(1) + tensor((16,), kind=8) + bytes(640),
    "an unknown ggml type": head(1) + tensor(kind=4) + bytes(64),
    "an unknown type of value": head(values=1) + text(b"a") + struct.pack("<I", 77) + bytes(64),
    "a name that is no text": head(values=1) + text(b"\xff\xfe") + struct.pack("<IB", UINT8, 0),
    "no alignment": head(1, 1) + text(b"general.alignment") + struct.pack("<II", 4, 0) + tensor() + bytes(64),
    "two values of one name": head(values=2) + (text(b"a") + struct.pack("<IB", UINT8, 0)) * 2,
    "two tensors of one name": head(2) + tensor() * 2 + bytes(64),
    "a version to come": head(version=4),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_cannot_be_true_is_refused(tmp_path: Path, lie: str) -> None:
    path = tmp_path / "lie.gguf"
    path.write_bytes(LIES[lie])
    with pytest.raises(CheckpointError, match=r"lie\.gguf is damaged, incomplete or too new"):
        open_checkpoint(path)


def test_an_array_as_large_as_the_file_stays_within_bounds(tmp_path: Path) -> None:
    path = tmp_path / "long.gguf"
    path.write_bytes(head(values=1) + array(STRING, 1 << 24, bytes(8 << 24)))
    with pytest.raises(HeaderError, match="more values in arrays"):
        read_header(path)
    half = struct.pack("<I", STRING) + text(bytes(40 << 20))
    path.write_bytes(head(values=2) + text(b"a") + half + text(b"b") + half)
    with pytest.raises(HeaderError, match="longer header"):
        read_header(path)


@pytest.mark.parametrize("name", ["model-Q4_K.gguf", "model-F16.gguf", "model-Q8_0.gguf"])
def test_the_package_reads_the_same(name: str) -> None:
    ours, theirs = read_header(QUANT / name), GGUFReader(QUANT / name)
    assert [(each.name, each.kind, each.offset, each.nbytes) for each in ours.tensors] == [
        (str(each.name), each.tensor_type.name, int(each.data_offset), int(each.n_bytes)) for each in theirs.tensors
    ]
    assert [each.shape for each in ours.tensors] == [tuple(reversed(each.shape.tolist())) for each in theirs.tensors]
    values = {key: field.contents() for key, field in theirs.fields.items() if not key.startswith("GGUF.")}
    assert ours.metadata == values


def test_all_kinds_of_values_and_version_two(tmp_path: Path) -> None:
    writer = GGUFWriter(tmp_path / "a.gguf", "seedvr")
    writer.add_int8("i8", -3)
    writer.add_uint64("u64", 2**63)
    writer.add_float64("f64", 0.5)
    writer.add_bool("yes", True)
    writer.add_array("names", ["a", "ü"])
    writer.add_array("numbers", [1, -2, 3])
    writer.add_custom_alignment(64)
    writer.add_tensor("w", np.arange(6, dtype=np.float32).reshape(2, 3))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    content = bytearray((tmp_path / "a.gguf").read_bytes())
    content[4] = 2
    (tmp_path / "a.gguf").write_bytes(content)
    found = read_header(tmp_path / "a.gguf")
    wanted = {"i8": -3, "u64": 2**63, "f64": 0.5, "yes": True, "names": ["a", "ü"], "numbers": [1, -2, 3]}
    assert {name: found.metadata[name] for name in wanted} == wanted
    assert found.tensors[0].shape == (2, 3) and found.tensors[0].offset % 64 == 0


def _small() -> bytes:
    values = text(b"arch") + struct.pack("<I", STRING) + text(b"seedvr")
    values += array(5, 2, struct.pack("<ii", 4, 1)).replace(b"a", b"b", 1)
    values += array(ARRAY, 1, struct.pack("<IQ", STRING, 1) + text(b"deep"))
    infos = text(b"comfy") + struct.pack("<IQQIQ", 2, 32, 2, 8, 0) + tensor((4, 2), kind=1, offset=96)
    start = head(2, 3) + values + infos
    return start + bytes(-len(start) % 32) + bytes(range(112))


SMALL = _small()
NUMBERS = st.sampled_from([0, 1, 2, 7, 8, 9, 31, 255, 2**16, 2**31, 2**32 - 1, 2**40, 2**63, 2**64 - 1])


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    numbers=st.lists(st.tuples(st.integers(4, len(SMALL) - 8), NUMBERS, st.sampled_from([1, 4, 8])), max_size=3),
    kept=st.one_of(st.just(len(SMALL)), st.integers(4, len(SMALL))),
)
def test_whatever_is_changed_it_opens_or_is_refused(
    tmp_path: Path, numbers: list[tuple[int, int, int]], kept: int
) -> None:
    content = bytearray(SMALL)
    for place, number, width in numbers:
        content[place : place + width] = (number % 256**width).to_bytes(width, "little")
    path = tmp_path / "mutated.gguf"
    path.write_bytes(content[:kept])
    try:
        checkpoint = open_checkpoint(path)
    except CheckpointError as error:
        assert "mutated.gguf" in str(error)
        return
    for name in checkpoint.shapes:
        checkpoint.tensor(name)


def test_no_lie_takes_memory(tmp_path: Path) -> None:
    """All of them in one process with 64 MiB of room."""
    for number, content in enumerate(LIES.values()):
        (tmp_path / f"{number}.gguf").write_bytes(content)
    code = f"""
import resource, sys
from pathlib import Path
import seedvr2.checkpoint.gguf_header as header
used = int(open("/proc/self/statm").read().split()[0]) * {resource.getpagesize()}
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20),) * 2)
for path in Path(sys.argv[1]).iterdir():
    try:
        header.read_header(path)
    except ValueError:
        print(path.stem)
"""
    run = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 0, run.stderr
    assert len(run.stdout.split()) == len(LIES)
