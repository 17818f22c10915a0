from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from seedvr2.catalogue import CATALOGUE, DEFAULT_MODEL, find
from seedvr2.errors import CheckpointError

GOLDEN = Path(__file__).parents[2] / "fixtures/golden"

# The table of the API document: name, parameters with variant, precision, size, memory.
DOCUMENTED = """
seedvr2_ema_3b_fp16.safetensors|3B|FP16|6.4GB|~12GB
seedvr2_ema_3b_fp8_e4m3fn.safetensors|3B|FP8|3.2GB|~8GB
seedvr2_ema_3b-Q4_K_M.gguf|3B|Q4|1.9GB|~4GB
seedvr2_ema_3b-Q8_0.gguf|3B|Q8|3.5GB|~6GB
seedvr2_ema_7b_fp16.safetensors|7B|FP16|16GB|~24GB
seedvr2_ema_7b_fp8_e4m3fn.safetensors|7B|FP8|7.7GB|~16GB
seedvr2_ema_7b-Q4_K_M.gguf|7B|Q4|4.5GB|~8GB
seedvr2_ema_7b-Q8_0.gguf|7B|Q8|8.3GB|~12GB
seedvr2_ema_7b_sharp_fp16.safetensors|7B Sharp|FP16|16GB|~24GB
seedvr2_ema_7b_sharp_fp8_e4m3fn.safetensors|7B Sharp|FP8|7.7GB|~16GB
seedvr2_ema_7b_sharp-Q4_K_M.gguf|7B Sharp|Q4|4.5GB|~8GB
seedvr2_ema_7b_sharp-Q8_0.gguf|7B Sharp|Q8|8.3GB|~12GB
"""


def test_the_documented_twelve_come_first_and_as_documented() -> None:
    rows = [
        f"{entry.name}|{f'{entry.params} {entry.variant}'.strip()}|{entry.precision}|{entry.size}|{entry.vram}"
        for entry in CATALOGUE[:12]
    ]
    assert rows == DOCUMENTED.split("\n")[1:-1]


def test_every_entry_is_complete() -> None:
    for entry in CATALOGUE:
        assert set(entry.desc) == {"en", "zh-CN", "zh-TW", "ja"} and all(entry.desc.values())
        assert entry.kind in ("dit", "vae", "text")
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", entry.repo)
        assert entry.sha256 is None or re.fullmatch("[0-9a-f]{64}", entry.sha256)
        assert entry.variant in ("", "Sharp") and ("sharp" in entry.name) == (entry.variant == "Sharp")
    assert len({entry.name for entry in CATALOGUE}) == len(CATALOGUE) >= 20
    assert {entry.kind for entry in CATALOGUE[12:]} == {"dit", "vae", "text"}


def test_hashes_sizes_and_repositories_are_those_of_the_public_registry() -> None:
    facts = json.loads((GOLDEN / "registry.json").read_text())
    for fact in facts["models"]:
        entry = find(fact["file"])
        assert (entry.repo, entry.sha256, entry.url()) == (fact["repo"], fact["sha256"], fact["url"])
        if fact["observed_file_bytes"]:
            assert entry.bytes == fact["observed_file_bytes"]
        if entry.bytes:
            assert 0 <= entry.bytes - fact["computed_payload_bytes"] < 200_000
    embedding = json.loads((GOLDEN / "embeddings.json").read_text())["pos_emb"]
    assert (find("pos_emb.pt").sha256, find("pos_emb.pt").bytes) == (
        embedding["sha256_of_original_pt"],
        embedding["original_bytes"],
    )
    assert facts["defaults"]["dit"] == DEFAULT_MODEL


def test_another_hub_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = find("seedvr2_distill_6L_1.4B_sharp_fp16_comfyui.safetensors")
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror/")
    place = f"lvladikov/SeedVR2-1.4B/resolve/{entry.revision}/comfyui/{entry.name}"
    assert entry.url() == f"http://mirror/{place}"
    assert entry.url("http://other") == f"http://other/{place}"


@pytest.mark.parametrize(
    ("short", "name"),
    [
        ("3b-fp8", "seedvr2_ema_3b_fp8_e4m3fn.safetensors"),
        ("7B_sharp-Q4_K_M", "seedvr2_ema_7b_sharp-Q4_K_M.gguf"),
        ("7b_sharp-q8", "seedvr2_ema_7b_sharp-Q8_0.gguf"),
        ("3b_q6_k.gguf", "seedvr2_ema_3b-Q6_K.gguf"),
        ("ema_vae_fp16", "ema_vae_fp16.safetensors"),
    ],
)
def test_short_names(short: str, name: str) -> None:
    assert find(short).name == name


def test_an_unknown_name_brings_up_the_nearest() -> None:
    with pytest.raises(CheckpointError, match=r"no model '3b-fp9'. Did you mean .*seedvr2_ema_3b_fp8_e4m3fn"):
        find("3b-fp9")


def test_the_catalogue_needs_no_torch() -> None:
    program = "import sys, seedvr2.catalogue.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("short", "gib", "name"),
    [
        ("3b", 24, DEFAULT_MODEL),
        ("3B", 8, DEFAULT_MODEL),
        ("3b", 6, "seedvr2_ema_3b-Q4_K_M.gguf"),
        ("7b", 24, "seedvr2_ema_7b_fp16.safetensors"),
        ("7b", 12, "seedvr2_ema_7b-Q4_K_M.gguf"),
        ("7b-sharp", 1, "seedvr2_ema_7b_sharp-Q4_K_M.gguf"),
        ("1.4b", 1, "seedvr2_distill_6L_1.4B_sharp_fp16_comfyui.safetensors"),
        ("3b-fp32", 1, "seedvr2_ema_3b.pth"),
        ("3b-q4", 99, "seedvr2_ema_3b-Q4_K_M.gguf"),
    ],
)
def test_a_size_alone_means_the_recommended_file_for_the_memory(short: str, gib: int, name: str) -> None:
    assert find(short, gib << 30).name == name


@pytest.mark.parametrize(
    "wrong", ["3b-q9", "seedvr2_ema_3b_int4.safetensors", "pos_emb", "7b_shrap_fp16", "pos_emb3.pt"]
)
def test_only_transformers_are_suggested(wrong: str) -> None:
    if wrong == "pos_emb":
        assert find(wrong).kind == "text"
        return
    with pytest.raises(CheckpointError) as caught:
        find(wrong)
    said = str(caught.value).partition("Did you mean ")[2]
    assert said and all(find(name.strip("?")).kind == "dit" for name in said.split(" or "))
