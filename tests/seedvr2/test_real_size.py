"""A model of the real size, with random weights, upscales a picture on this processor. Takes minutes and 15 GB."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.random_checkpoint import write_random_3b, write_random_vae

pytestmark = pytest.mark.long

_RUN = """
import json, re, sys
from pathlib import Path
from seedvr2 import Upscaler, UpscaleOptions
models, source, target, name = map(Path, sys.argv[1:])
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
upscaler = Upscaler(models, device="cpu")
upscaler.load(name.name)
loaded = peak()
result = upscaler.upscale(source, target, UpscaleOptions(resolution=64), model=name.name)
print(json.dumps({"loaded_mb": loaded, "peak_mb": peak(),
                  "seconds": result.seconds, "size": [result.width, result.height], "model": result.model}))
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_random_vae(folder / "ema_vae_fp16.safetensors")
    return folder


@pytest.mark.parametrize(
    ("name", "precision", "gigabytes"),
    [
        ("seedvr2_ema_3b_fp16.safetensors", "fp16", 6.8),
        ("seedvr2_ema_3b_fp8_e4m3fn.safetensors", "fp8_e4m3fn", 3.4),
        ("seedvr2_ema_3b-Q4_K_M.gguf", "Q4_K_M", 2.0),
    ],
)
def test_a_3b_upscales_a_picture(models: Path, tmp_path: Path, name: str, precision: str, gigabytes: float) -> None:
    path = write_random_3b(models / name, precision)
    try:
        assert abs(path.stat().st_size / 1e9 / gigabytes - 1) < 0.03
        source = tmp_path / "in.png"
        Image.effect_noise((48, 32), 80).convert("RGB").save(source)
        done = subprocess.run(
            [sys.executable, "-c", _RUN, models, source, tmp_path / "out.png", name], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        facts = json.loads(done.stdout)
        print(precision, facts)
        assert (facts["size"], facts["model"]) == ([96, 64], name)
        # Kept as it is stored: the weights, the VAE's half gigabyte, PyTorch itself and the work; not a wider copy.
        assert facts["peak_mb"] < gigabytes * 1000 + 500 + 1500
        with Image.open(tmp_path / "out.png") as image:
            assert np.asarray(image).std() > 1
    finally:
        path.unlink()
