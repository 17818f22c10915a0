"""What a parity case says: how far it is off, and how far it may be."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor


@dataclass(frozen=True)
class Check:
    """One comparison. `error` NaN or above `tolerance` fails."""

    name: str
    error: float
    tolerance: float
    note: str = ""

    @property
    def passed(self) -> bool:
        return self.error <= self.tolerance

    def __str__(self) -> str:
        verdict = "ok  " if self.passed else "FAIL"
        note = f" {self.note}" if self.note else ""
        note = f" {self.note}" if self.note else ""
        return f"{verdict} {self.name}: {self.error:.3g} (at most {self.tolerance:g}){note}"


@dataclass
class Fixture:
    """One JSON file of a set, with the tensors and files that belong to it."""

    root: Path
    path: Path
    data: dict
    used: set[Path] = field(default_factory=set)

    @property
    def name(self) -> str:
        return str(self.path.relative_to(self.root).with_suffix(""))

    def tensors(self) -> dict[str, Tensor]:
        """The tensors of the safetensors file that this JSON describes."""
        return self.load(self.data["file"])

    def load(self, file: str) -> dict[str, Tensor]:
        return load_file(self.resolve(file))

    def resolve(self, file: str) -> Path:
        """A path given relative to this JSON, noted as used."""
        path = (self.path.parent / file).resolve()
        self.used.add(path)
        return path


def worst(name: str, got: Tensor, wanted: Tensor, tolerance: float) -> Check:
    """Largest absolute difference."""
    if got.shape != wanted.shape:
        return Check(name, float("nan"), tolerance, f"shape {list(got.shape)} instead of {list(wanted.shape)}")
    return Check(name, (got.double() - wanted.double()).abs().max().item(), tolerance)


def mean(name: str, got: Tensor, wanted: Tensor, tolerance: float) -> Check:
    """Mean absolute difference."""
    if got.shape != wanted.shape:
        return Check(name, float("nan"), tolerance, f"shape {list(got.shape)} instead of {list(wanted.shape)}")
    return Check(name, (got.double() - wanted.double()).abs().mean().item(), tolerance)


def relative(name: str, got: Tensor, wanted: Tensor, tolerance: float) -> Check:
    """Relative L2 distance."""
    if got.shape != wanted.shape:
        return Check(name, float("nan"), tolerance, f"shape {list(got.shape)} instead of {list(wanted.shape)}")
    return Check(name, ((got - wanted).double().norm() / wanted.double().norm()).item(), tolerance)


def same(name: str, got: object, wanted: object) -> Check:
    """Equality; the note shows both where they differ."""
    equal = got == wanted
    return Check(name, 0.0 if equal else 1.0, 0.0, "" if equal else f"{str(got)[:160]} instead of {str(wanted)[:160]}")


def sha256(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.to(torch.float32).contiguous().numpy().tobytes()).hexdigest()
