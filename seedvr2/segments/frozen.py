"""The frozen plan of a video: everything that decides about a pixel, chosen once and kept with the job.

What is chosen anew at each run, from the memory that happens to be free, would leave a seam where a job was
interrupted, and another one where two machines met.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from seedvr2.media.entry import Entry
from seedvr2.options import BY_NAME, UpscaleOptions
from seedvr2.pipeline.latent_windows import LatentGrid
from seedvr2.planning.plan import Plan
from seedvr2.publishing import sync_folder
from seedvr2.segments.cutting import Segment
from seedvr2.segments.handing_over import PLAN

# Of this layout of the file; a plan of another one is made anew.
_FORMAT = 2
# The beginning and the end tell a file that was replaced; a film is not read twice for it.
_HEAD_AND_TAIL = 4 * 2**20
# Why segments are of no use, by the parts of a plan that differ.
_REASONS: tuple[tuple[set[str], str], ...] = (
    ({"source"}, "the source is another one by now"),
    ({"models"}, "the model is another one"),
    ({"options", "size", "encoder"}, "the settings were changed"),
    (set(), "this program, or what it runs on, is another one by now"),
)


@dataclass(frozen=True, slots=True)
class SourceMark:
    """By what a source is known again: its size in bytes, and the SHA-256 of its first and last 4 MiB."""

    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> SourceMark:
        """The mark of a file. Raises OSError."""
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest = hashlib.sha256(file.read(_HEAD_AND_TAIL))
            file.seek(max(size - _HEAD_AND_TAIL, 0))
            digest.update(file.read(_HEAD_AND_TAIL))
        return cls(size, digest.hexdigest())


@dataclass(frozen=True, slots=True)
class FrozenPlan:
    """How a video is made, to the last choice.

    Attributes:
        engine: version of this program. models: names and SHA-256 of the transformer and of the VAE.
        device: kind of processor or GPU, and `dtype`: what is computed in. threads: of torch.
        settings: tiles, window and so on. options: as they were asked for. suffix: of the result.
        encoder: all that decides about what the encoder gives.
        source: which file it is for. size: width and height of the result.
        frames: in the source. segments: the pieces, in order.
        damaged, entries: of the source, as of `Source`.
        grid: of the windows where batches are stitched; None where each is made by itself.
        notes: sentences on how the plan came to be, for the one who gets the result.
    """

    engine: str
    models: tuple[tuple[str, str], ...]
    device: str
    dtype: str
    threads: int
    settings: Plan
    options: UpscaleOptions
    suffix: str
    encoder: Mapping[str, Any]
    source: SourceMark
    size: tuple[int, int]
    frames: int
    segments: tuple[Segment, ...]
    damaged: bool = False
    entries: tuple[Entry, ...] = ()
    notes: tuple[str, ...] = ()
    grid: LatentGrid | None = None

    def makes_the_same(self, other: FrozenPlan) -> bool:
        """Whether both give the same segments, but for the machine's choices: `settings`, threads and how it is cut."""
        return self._identity() == other._identity()

    def instead_of(self, former: FrozenPlan) -> str:
        """What makes the segments of a former plan useless for this one, for people: the first thing that differs."""
        differs = {name for name, value in self._identity().items() if former._identity()[name] != value}
        return next(why for names, why in _REASONS if not names or names & differs)

    def taking_over(self, kept: FrozenPlan) -> FrozenPlan:
        """A plan that makes the same, `kept`, with what of this one changes no segment."""
        changed = self.options.blocks_to_swap != kept.options.blocks_to_swap
        swap = (self if changed else kept).settings.blocks_to_swap
        return replace(
            kept, options=self.options, suffix=self.suffix, settings=replace(kept.settings, blocks_to_swap=swap)
        )

    @property
    def fingerprint(self) -> str:
        """By which segments are known to be of this very plan: a SHA-256 of all that it says."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode("ascii")).hexdigest()

    def _identity(self) -> dict[str, Any]:
        values = self.as_dict()
        # Packets are kept without their container.
        for name in ("settings", "threads", "segments", "frames", "damaged", "entries", "notes", "suffix", "grid"):
            del values[name]
        values["options"] = {name: value for name, value in values["options"].items() if BY_NAME[name].in_frames}
        return values

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "format": _FORMAT,
            **{name: getattr(self, name) for name in ("engine", "device", "dtype", "threads", "suffix", "frames")},
            "models": [list(model) for model in self.models],
            "settings": self.settings.as_dict(),
            "options": self.options.as_dict(),
            "encoder": dict(self.encoder),
            "source": asdict(self.source),
            "size": list(self.size),
            "damaged": self.damaged,
            "entries": [[entry.number, entry.pts, entry.check] for entry in self.entries],
            "notes": list(self.notes),
            "grid": asdict(self.grid) if self.grid else None,
            "segments": [
                {**asdict(segment), "shots": list(segment.shots), "index": index}
                for index, segment in enumerate(self.segments)
            ],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The plan that `as_dict` gave.

        Raises:
            ValueError, TypeError, KeyError: it is none, or of another version.
        """
        if values["format"] != _FORMAT:
            raise ValueError(f"a plan of format {values['format']}")
        segments = tuple(_segment(entry) for entry in values["segments"])
        plan = cls(
            engine=str(values["engine"]),
            models=tuple((str(name), str(sha256)) for name, sha256 in values["models"]),
            device=str(values["device"]),
            dtype=str(values["dtype"]),
            threads=int(values["threads"]),
            settings=Plan.from_dict(values["settings"]),
            options=UpscaleOptions.parse(values["options"]),
            suffix=str(values["suffix"]),
            encoder=dict(values["encoder"]),
            source=SourceMark(int(values["source"]["bytes"]), str(values["source"]["sha256"])),
            size=(int(values["size"][0]), int(values["size"][1])),
            frames=int(values["frames"]),
            segments=segments,
            damaged=bool(values.get("damaged", False)),
            entries=tuple(Entry(*(int(each) for each in entry)) for entry in values.get("entries", ())),
            notes=tuple(str(note) for note in values["notes"]),
            grid=LatentGrid(**values["grid"]) if values["grid"] else None,
        )
        stops = [0, *(segment.stop for segment in segments)]
        if [segment.start for segment in segments] != stops[:-1] or stops[-1] != plan.frames or not segments:
            raise ValueError("segments with gaps")
        return plan


def _segment(entry: Mapping[str, Any]) -> Segment:
    return Segment(
        start=int(entry["start"]),
        stop=int(entry["stop"]),
        first=int(entry["first"]),
        batch=int(entry["batch"]),
        shots=tuple(int(shot) for shot in entry["shots"]),
    )


def write_plan(folder: Path, plan: FrozenPlan) -> None:
    """Keep a plan in a folder, whole or not at all. Raises OSError."""
    part = folder / f"{PLAN}.part"
    with part.open("w", encoding="ascii") as file:
        json.dump(plan.as_dict(), file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / PLAN)
    sync_folder(folder)


def read_plan(folder: Path) -> FrozenPlan | None:
    """The plan in a folder; None if there is none that can be used. Raises OSError."""
    try:
        return FrozenPlan.from_dict(json.loads((folder / PLAN).read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return None
