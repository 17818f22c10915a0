"""Weight files that lie about themselves: listed as bad, and nothing waits for them."""

from __future__ import annotations

import struct

import pytest

from tests.faults.conftest import Lab
from tests.faults.invariants import account

pytestmark = pytest.mark.long

ARRAY, BYTE = 9, 0


def header(key: bytes, *value: bytes) -> bytes:
    """A GGUF file with one entry and no tensors."""
    return b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, len(key)) + key + struct.pack("<I", ARRAY) + b"".join(value)


def array(kind: int, length: int) -> bytes:
    """The beginning of an array."""
    return struct.pack("<IQ", kind, length)


LIES = {
    "endless.gguf": header(b"key", array(BYTE, 2**63)),
    "nested.gguf": header(b"key", *[array(ARRAY, 1)] * 100_000, array(BYTE, 0)),
    "wide.gguf": header(b"key", array(ARRAY, 2**20), *[array(ARRAY, 2**20)] * 30),
    "short.gguf": b"GGUF",
    "long.safetensors": struct.pack("<Q", 2**63) + b"{}",
    "deep.safetensors": struct.pack("<Q", 200_000) + b"[" * 200_000,
}


@pytest.mark.parametrize("name", LIES)
def test_lying_weight_file(lab: Lab, name: str) -> None:
    """a weight file of a few bytes that claims 2⁶³ values, nests arrays or ends early, in models/"""
    daemon = lab.daemon(settings={"SEEDVR2_MODEL_DEVICE": "cpu", "SEEDVR2_MODEL_GPU": "none"}, real=True)
    models = daemon.folders["models"]
    models.mkdir(parents=True)
    (models / name).write_bytes(LIES[name])
    lab.foreign.add(models / name)
    lab.fault()
    daemon.start()
    answer = daemon.get("/api/models")
    assert answer.status_code == 200, answer.text
    job_id = daemon.submit("picture.png", resolution=64)
    status = daemon.wait(job_id)
    assert status["status"] == "completed", status
    refused = daemon.offer("refused.png", dit_model=name)
    if refused.status_code == 200:
        ended = daemon.wait(refused.json()["task_id"])
        assert ended["status"] == "failed" and ended["error"].endswith("."), ended
    else:
        assert refused.status_code < 500 and refused.json()["error"].endswith("."), refused.text
    assert daemon.alive
    daemon.accepted.clear()
    lab.checked(account(daemon) + lab.foreign.check())
