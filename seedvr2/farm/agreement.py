"""Whether a plan can be followed on this machine to the last bit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seedvr2.errors import MediaError, OptionError
from seedvr2.segments.frozen import FrozenPlan, SourceMark

_ANEW = "or make the plan anew"


def check_source(plan: FrozenPlan, source: Path, mark: SourceMark) -> None:
    """Raise MediaError if a file is not the one that was planned for."""
    if mark != plan.source:
        what = "has the size, but not the contents," if mark.bytes == plan.source.bytes else "is not of the size"
        raise MediaError(
            f"{source.name} {what} of the file that the plan was made for; give that one (--source PATH), {_ANEW}."
        )


def check_encoder(planned: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Raise OptionError if frames would be coded in another way here."""
    for name in sorted({*planned, *here}):
        if planned.get(name) != here.get(name):
            raise _refusal(f"the encoder's {name}", planned.get(name), here.get(name))


def check_machine(plan: FrozenPlan, here: FrozenPlan) -> None:
    """Raise OptionError if anything here would make other frames than planned.

    Args:
        here: what would be planned on this machine for the same source and options.
    """
    if plan.engine != here.engine:
        raise _refusal("the version", plan.engine, here.engine)
    if plan.device != here.device:
        raise _refusal("the device", plan.device, here.device)
    for (name, sha256), (other, found) in zip(plan.models, here.models, strict=True):
        if sha256 != found:
            raise _refusal("the model", f"{name} with SHA-256 {sha256[:12]}…", f"{other} with {found[:12]}…")
    check_encoder(plan.encoder, here.encoder)
    if not plan.makes_the_same(here):
        raise OptionError("plan", f"This machine would not make what was planned; use one that is alike, {_ANEW}.")


def _refusal(what: str, planned: object, here: object) -> OptionError:
    return OptionError("plan", f"Here {what} is {here}, and the plan was made with {planned}; use the same, {_ANEW}.")
