"""The published weight files, from `models.json`: name, repository, hash, and what a person wants to know of each.

The hashes are those of the public registries. Where none is known, the one that the hub itself states for the file
is checked after a download.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Literal

from seedvr2.catalogue.memory import model_memory
from seedvr2.errors import ModelNotInstalledError

DEFAULT_MODEL = "seedvr2_ema_3b_fp8_e4m3fn.safetensors"
VAE = "ema_vae_fp16.safetensors"
TEXT = "pos_emb.pt"
HUB = "https://huggingface.co"
# What a size alone means, best first: the file marked as recommended, and what stands in where memory is short. Of the
# 7B models the one of 4 bits is truer than those of 8 bits that store no scales (spec: users.md, section 6).
RECOMMENDED: Mapping[str, tuple[str, ...]] = {
    "3b": (DEFAULT_MODEL, "seedvr2_ema_3b-Q4_K_M.gguf"),
    "7b": ("seedvr2_ema_7b_fp16.safetensors", "seedvr2_ema_7b-Q4_K_M.gguf"),
    "7b_sharp": ("seedvr2_ema_7b_sharp_fp16.safetensors", "seedvr2_ema_7b_sharp-Q4_K_M.gguf"),
    "1.4b": ("seedvr2_distill_6L_1.4B_sharp_fp16_comfyui.safetensors",),
}


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """One file of the catalogue.

    Attributes:
        name: file name in the models folder.
        kind: transformer, VAE or text embedding.
        repo, path, revision: where on the hub; `path` is `name` unless it lies in a folder there.
        params: `"3B"`, `"7B"`, …; precision: `"FP16"`, `"FP8"`, `"Q4"`, …; variant: `""` or `"Sharp"`.
        size, vram: for people, in GiB.
        bytes, sha256: None where none is published.
        desc: one line by language: en, zh-CN, zh-TW, ja.
        mirrors: complete addresses to try where the hub does not answer.
    """

    name: str
    kind: Literal["dit", "vae", "text"]
    repo: str
    params: str
    precision: str
    variant: str
    size: str
    vram: str
    bytes: int | None
    sha256: str | None
    desc: Mapping[str, str] = field(hash=False)
    path: str = ""
    revision: str = "main"
    mirrors: tuple[str, ...] = field(default=())

    def url(self, endpoint: str | None = None) -> str:
        """The file's address; `endpoint` or `HF_ENDPOINT` replace the public hub."""
        base = (endpoint or os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
        return f"{base}/{self.repo}/resolve/{self.revision}/{self.path or self.name}"

    def as_dict(self) -> dict[str, Any]:
        """What `GET /api/models` says of it."""
        return {
            "name": self.name,
            "params": self.params,
            "precision": self.precision,
            "size": self.size,
            "vram": self.vram,
            "variant": self.variant,
            "desc": dict(self.desc),
        }


def _read() -> tuple[PublishedFile, ...]:
    entries = json.loads(resources.files(__package__).joinpath("models.json").read_text(encoding="utf-8"))
    return tuple(PublishedFile(**{**entry, "mirrors": tuple(entry.get("mirrors", ()))}) for entry in entries)


CATALOGUE: tuple[PublishedFile, ...] = _read()
BY_NAME: dict[str, PublishedFile] = {entry.name: entry for entry in CATALOGUE}


def find(name: str, memory_bytes: int | None = None) -> PublishedFile:
    """The file called `name`; short forms such as `3b-fp8` or `7b_sharp-q4` do as well.

    A size alone (`3b`, `7b`, `7b-sharp`) means the recommended file of that size: the first of `RECOMMENDED` whose
    `vram` this machine has, else the last.

    Args:
        memory_bytes: what a model may take here; asked for where None, and only where it is needed.

    Raises:
        ModelNotInstalledError: there is none; the message names the nearest transformers.
    """
    if name in BY_NAME:
        return BY_NAME[name]
    short = _short(name)
    if short in RECOMMENDED:
        return _recommended(short, model_memory() if memory_bytes is None else memory_bytes)
    for entry in BY_NAME.values():
        if _short(entry.name) == short:
            return entry
    models = {_short(entry.name): entry.name for entry in reversed(BY_NAME.values()) if entry.kind == "dit"}
    near = difflib.get_close_matches(short, models, n=3, cutoff=0.4)
    names = [models[each] for each in near] or [DEFAULT_MODEL]
    raise ModelNotInstalledError(f"The catalogue has no model {name!r}. Did you mean {' or '.join(names)}?")


def is_size(name: str) -> bool:
    """Whether a name says only how large a model is to be: `3b`, `7b-sharp`."""
    return name not in BY_NAME and _short(name) in RECOMMENDED


def of_size(name: str, entry: PublishedFile) -> bool:
    """Whether `entry` is a transformer of the size that `name` says."""
    size, _, variant = _short(name).partition("_")
    return entry.kind == "dit" and (entry.params.lower(), entry.variant.lower()) == (size, variant)


def _recommended(short: str, memory_bytes: int) -> PublishedFile:
    entries = [BY_NAME[name] for name in RECOMMENDED[short]]
    fitting = [entry for entry in entries if _needed(entry) <= memory_bytes]
    return fitting[0] if fitting else entries[-1]


def _needed(entry: PublishedFile) -> float:
    # A card that is sold as 8 GB has some less to give.
    return float(entry.vram.strip("~GB")) * 0.9 * 2**30


def _short(name: str) -> str:
    stem = name.lower().removeprefix("seedvr2_ema_").removeprefix("seedvr2_").replace("-", "_")
    for suffix in (".safetensors", ".gguf", ".pth", ".pt"):
        if stem.endswith(suffix):
            # What is left of a name in full: a file of 32 bits says nothing of its precision.
            stem = stem.removesuffix(suffix) + ("_fp32" if suffix == ".pth" else "")
    for suffix in ("_e4m3fn", "_k_m", "_k", "_0"):
        stem = stem.removesuffix(suffix)
    return stem
