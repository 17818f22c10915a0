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

from seedvr2.errors import ModelNotInstalledError

DEFAULT_MODEL = "seedvr2_ema_3b_fp8_e4m3fn.safetensors"
VAE = "ema_vae_fp16.safetensors"
TEXT = "pos_emb.pt"
HUB = "https://huggingface.co"


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


def find(name: str) -> PublishedFile:
    """The file called `name`; short forms such as `3b-fp8` or `7b_sharp-q4` do as well.

    Raises:
        ModelNotInstalledError: there is none; the message names the nearest.
    """
    if name in BY_NAME:
        return BY_NAME[name]
    short = _short(name)
    for entry in BY_NAME.values():
        if _short(entry.name) == short:
            return entry
    near = difflib.get_close_matches(short, [_short(entry.name) for entry in BY_NAME.values()], n=3, cutoff=0.4)
    names = [entry.name for entry in BY_NAME.values() if _short(entry.name) in near] or [DEFAULT_MODEL]
    raise ModelNotInstalledError(f"The catalogue has no model {name!r}. Did you mean {' or '.join(names)}?")


def _short(name: str) -> str:
    stem = name.lower().removeprefix("seedvr2_ema_").removeprefix("seedvr2_")
    for suffix in (".safetensors", ".gguf", ".pth", ".pt"):
        stem = stem.removesuffix(suffix)
    stem = stem.replace("-", "_")
    for suffix in ("_e4m3fn", "_k_m", "_k", "_0"):
        stem = stem.removesuffix(suffix)
    return stem
