"""Machines that differ, each in one thing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seedvr2.errors import MediaError, OptionError
from seedvr2.farm.agreement import check_encoder, check_machine, check_source
from seedvr2.segments.frozen import SourceMark
from tests.seedvr2.farm.conftest import Farm


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"engine": "0.0.9, torch 2.0"}, r"Here the version is 0\.0\.9, torch 2\.0, and the plan was made with 0\."),
        ({"device": "NVIDIA H100"}, "Here the device is NVIDIA H100, and the plan was made with cpu; use the same"),
        ({"models": (("nano", "f" * 64), ("vae", "e" * 64))}, "Here the model is nano with f{12}…, .*nano_dit_fp16"),
        ({"dtype": "bfloat16"}, "This machine would not make what was planned"),
        ({"size": (64, 64)}, "This machine would not make what was planned"),
    ],
)
def test_what_differs_is_named(farm: Farm, change: dict[str, Any], told: str) -> None:
    with pytest.raises(OptionError, match=told):
        check_machine(farm.plan.frozen, replace(farm.plan.frozen, **change))


def test_machines_that_are_alike_agree_whatever_they_would_choose(farm: Farm) -> None:
    plan = farm.plan.frozen
    settings = replace(plan.settings, tile=512, window=9)
    check_machine(plan, replace(plan, settings=settings, threads=99, segments=(), frames=0))


def test_another_encoder_is_named(farm: Farm) -> None:
    planned = farm.plan.frozen.encoder
    check_encoder(planned, dict(planned))
    with pytest.raises(OptionError, match=r"Here the encoder's version is 1\.0, and the plan was made with \d+"):
        check_encoder(planned, {**planned, "version": "1.0"})


def test_another_source_is_named(farm: Farm) -> None:
    plan, mark = farm.plan.frozen, farm.plan.frozen.source
    check_source(plan, Path("/b/in.mkv"), mark)
    with pytest.raises(MediaError, match=r"^in\.mkv is not of the size of the file that the plan"):
        check_source(plan, Path("/b/in.mkv"), SourceMark(mark.bytes + 1, mark.sha256))
    with pytest.raises(MediaError, match=r"^in\.mkv has the size, but not the contents, of the file"):
        check_source(plan, Path("/b/in.mkv"), SourceMark(mark.bytes, "0"))
