"""The plan of a job as a file that other machines follow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from seedvr2.errors import OptionError
from seedvr2.planning.disk import DiskNeed
from seedvr2.segments.frozen import FrozenPlan


@dataclass(frozen=True, slots=True)
class JobPlan:
    """All that making segments and joining them takes, but for the source and the model's files.

    Attributes:
        source: where the source was when the plan was made. model: the name of the model.
        frozen: how it is made. disk: what it needs of a disk.
    """

    source: Path
    model: str
    frozen: FrozenPlan
    disk: DiskNeed

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "path": str(self.source),
            "model": self.model,
            "disk": asdict(self.disk),
            **self.frozen.as_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The plan that `as_dict` gave; what else there is in it is left aside.

        Raises:
            ValueError, TypeError, KeyError, IndexError: it is none, or of another version.
        """
        disk = {name: int(values["disk"][name]) for name in ("result", "least", "peak")}
        return cls(Path(values["path"]), str(values["model"]), FrozenPlan.from_dict(values), DiskNeed(**disk))


def read_job_plan(path: Path) -> JobPlan:
    """The plan in a file.

    Raises:
        OptionError: there is none in it, or one that this version cannot follow.
    """
    try:
        values = json.loads(path.read_bytes())
        if not isinstance(values, list):
            return JobPlan.from_dict(values)
    except OSError as error:
        raise OptionError("plan", f"The plan {path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise OptionError(
            "plan", f"{path.name} is not a plan of this version; make it anew with `seedvr2 plan IN --json`."
        ) from error
    raise OptionError("plan", f"{path.name} has the plans of several sources; make a file for each.")
