"""What happened with plans on a card, in a small JSON file: which one ended well, what it took, which ones failed.

The file is a help, never a need: one that cannot be read or written is as good as none.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedvr2.planning.card import Card
from seedvr2.planning.plan import Plan
from seedvr2.planning.planner import Request

log = logging.getLogger(__name__)

# So many different jobs are remembered; the oldest are forgotten first.
_MOST = 200
# Only with this share of the card for ourselves does a plan say what the card can do.
_OWN_SHARE = 0.9


def key_of(card: Card, request: Request) -> str:
    """What a job is remembered by: card, model, class of sizes, and the options that change the memory."""
    work, options = request.work, request.options
    return " ".join(
        (
            f"{card.name}/{card.total}",
            f"{request.facts.name}/{request.facts.weights}",
            f"{work.size[0]}x{work.size[1]}",
            "picture" if work.picture else f"video/{options.batch_size}/{options.temporal_overlap}",
            f"{options.vae_tiling}/{options.vae_quality}/{options.blocks_to_swap}",
            f"{options.color_correction}/{work.alpha}/{work.uniform}/{request.itemsize}",
        )
    )


@dataclass(frozen=True, slots=True)
class History:
    """What is remembered of one job; what the planner asks."""

    entry: Mapping[str, Any]

    def worked(self) -> Plan | None:
        """The plan that ended well, if one did with the card to itself."""
        settings = self.entry.get("worked")
        return None if settings is None else Plan.from_dict(settings)

    def failed(self, plan: Plan) -> bool:
        """Whether memory ran out with these settings, or with ones that ask for no more in any respect."""
        return any(Plan.from_dict(settings).within(plan) for settings in self.entry.get("failed", ()))

    def peak(self, plan: Plan) -> int:
        """What was measured with these settings, in bytes; 0 if nothing was."""
        return next((each["bytes"] for each in self.entry.get("peaks", ()) if each["plan"] == plan.settings), 0)


class Remembered:
    """The file, or nothing where no path is given."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._entries: dict[str, dict[str, Any]] = _read(path) if path else {}

    def history(self, card: Card, request: Request) -> History:
        """What is known of this job on this card."""
        return History(self._entries.get(key_of(card, request), {}))

    def ended_well(self, card: Card, request: Request, plan: Plan, peak: int) -> None:
        """A job ended with `plan`, and took `peak` bytes at the most (0: not measured)."""
        entry = self._entry(card, request)
        if card.usable >= card.capacity * _OWN_SHARE:
            entry["worked"] = plan.settings
        if peak:
            others = [each for each in entry.get("peaks", ()) if each["plan"] != plan.settings]
            entry["peaks"] = [*others, {"plan": plan.settings, "bytes": peak}]
        self._write()

    def ran_out(self, card: Card, request: Request, plan: Plan) -> None:
        """Memory ran out with `plan`, though it should have fitted."""
        entry = self._entry(card, request)
        if entry.get("worked") == plan.settings:
            del entry["worked"]
        if plan.settings not in entry.setdefault("failed", []):
            entry["failed"].append(plan.settings)
        self._write()

    def _entry(self, card: Card, request: Request) -> dict[str, Any]:
        key = key_of(card, request)
        entry = self._entries.pop(key, {})
        self._entries[key] = entry  # at the end: the latest
        while len(self._entries) > _MOST:
            del self._entries[next(iter(self._entries))]
        return entry

    def _write(self) -> None:
        if self._path is None:
            return
        part = self._path.with_name(f".{self._path.name}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(self._entries, indent=1))
            part.replace(self._path)
        except OSError as error:
            log.warning("What fits on this card cannot be written down (%s); it will be found out anew.", error)


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        entries = json.loads(path.read_text())
        for entry in entries.values():
            # One look at everything that is used later.
            history, plan = History(entry), Plan(None, 1)
            history.worked(), history.failed(plan), history.peak(plan)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        log.warning("What was remembered of this card cannot be read (%s); it will be found out anew.", error)
        return {}
    return dict(entries)
