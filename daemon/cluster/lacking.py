"""Why a job waits for its model, and what to do about it, in sentences."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from seedvr2.catalogue.registry import BY_NAME


def missing(model: str, machines: Collection[str]) -> str:
    """No machine has the model; these are there."""
    if model not in BY_NAME:
        return f"no machine has {model}; put it into the models folder of those that are to make it"
    first, *others = sorted(machines)
    also = f" (or {', '.join(others)})" if others else ""
    return f"no machine has {model}; `seedvr2d pull {model} --machine {first}`{also} fetches it there"


def another_file(others: Mapping[str, str]) -> str:
    """All machines that could go on have another file than that of the plan; its name, by machine."""
    parts = [f"the {name} on {machine}" for machine, name in sorted(others.items())]
    are = "are other files" if parts[1:] else "is another file"
    return (
        f"{' and '.join(parts)} {are} than the one that it was planned with (their SHA-256 differ); put the same file "
        "there, or wait until a machine with it is back"
    )
