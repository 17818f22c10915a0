"""What Triton makes of the kernels for cards, by the very arguments that they are launched with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seedvr2.kernels.ggml import KINDS

ROOT = Path(__file__).parents[3]
OTHERS = {"_statistics", "_join", "_apply", "_rms_modulate", "_norm_rotate", "_widen"}


@pytest.mark.parametrize(("capability", "dtype"), [(75, "float16"), (90, "bfloat16"), (120, "bfloat16")])
def test_every_kernel_can_be_translated_for_a_card(capability: int, dtype: str, tmp_path: Path) -> None:
    pytest.importorskip("triton")
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(__file__).with_name("translation.py")), str(capability), dtype]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    translated = json.loads(ended.stdout)
    packed = {f"_{kind.lower()}" for kind in KINDS}
    assert translated.keys() == OTHERS | packed
    # Activations are read and written 16 bytes at a time.
    for name in ("_statistics", "_apply", "_norm_rotate"):
        assert "ld.global.v4.b32" in translated[name]
    # Products and differences of packed weights are rounded apart, and small numbers are not made zero.
    assert not [name for name in packed if "fma" in translated[name] or ".ftz" in translated[name]]
