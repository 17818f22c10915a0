"""What the service and its child processes say to each other: one JSON object a line, and no more than is listed here.

Frames never travel but as files, a stamp at the most: both sides open files by path. Nothing is ever unpickled, so the
worst that a child which was taken over by a file can say is something that is not listed, and that ends it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# The child is started from the files that are there then, which an update may have changed under a running service.
VERSION = 7


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """What the engine really computes on.

    Attributes:
        device: `cuda` or `cpu`. why: the reason why it is no GPU, in one sentence; empty on one.
        name, uuid, memory_mb, capability: of the card as PyTorch sees it. driver, runtime: versions of CUDA, `13.0`.
        free_mb: what the card had left when it was asked.
    """

    device: str = "cpu"
    why: str = ""
    name: str = ""
    uuid: str = ""
    memory_mb: int = 0
    free_mb: int = 0
    capability: str = ""
    driver: str = ""
    runtime: str = ""
    torch: str = ""


# -- to the child ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setup:
    """The first message: the settings of the engine, and how to log.

    `memory_file` is where it remembers what worked on this card; empty: nowhere.
    """

    version: int
    models_dirs: list[str]
    memory_file: str
    default: str
    device: str
    dtype: str
    compile: bool
    auto_download: bool
    level: str
    form: str


@dataclass(frozen=True, slots=True)
class Run:
    """Upscale `source` into `target`, with segments in `keep`; answered by `Finished` or `Fault`."""

    id: int
    source: str
    target: str
    options: dict[str, Any]
    model: str
    keep: str


@dataclass(frozen=True, slots=True)
class Preview:
    """Write a preview of `source` into `folder`; answered by `Previewed` or `Fault`. `wish`: as `Wish.as_dict`."""

    id: int
    source: str
    folder: str
    options: dict[str, Any]
    wish: dict[str, Any]
    model: str
    speed: float | None


@dataclass(frozen=True, slots=True)
class Join:
    """Make `target` of the segments in `keep`, all of which are there; answered by `Finished` or `Fault`."""

    id: int
    source: str
    target: str
    keep: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop what `id` asked for."""

    id: int


@dataclass(frozen=True, slots=True)
class GiveWay:
    """Whether what `id` asked for is to stop where its next segment is finished; the last word holds."""

    id: int
    wanted: bool


@dataclass(frozen=True, slots=True)
class Load:
    """Bring a model into memory; answered by `Loaded`."""

    id: int
    model: str


@dataclass(frozen=True, slots=True)
class Resolve:
    """Which file is meant; answered by `Resolved`, also while a job runs."""

    id: int
    model: str


@dataclass(frozen=True, slots=True)
class ListModels:
    """Which models there are; answered by `Listed`, also while a job runs."""

    id: int
    everything: bool


@dataclass(frozen=True, slots=True)
class Foresee:
    """What a job would take; answered by `Foreseen`, also while a job runs. The fields are as for `Executor`."""

    id: int
    media: dict[str, Any]
    options: dict[str, Any]
    model: str
    suffix: str
    size: int
    timed: bool


@dataclass(frozen=True, slots=True)
class Probe:
    """What is this file? Answered by `Need`, and once it is let in, by `Looked`."""

    id: int
    path: str


@dataclass(frozen=True, slots=True)
class Draw:
    """A small picture of this file, please. Answered by `Need`, and once it is let in, by `Drawn`."""

    id: int
    path: str
    kind: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class DrawFrame:
    """One frame of this file as a PNG at `target`, please. Answered by `Need`, and once it is let in, by `FrameDrawn`.

    `at`: seconds from the beginning of a video; None: the first one.
    """

    id: int
    path: str
    at: float | None
    width: int
    height: int
    target: str


@dataclass(frozen=True, slots=True)
class LetIn:
    """There is room for what `Need` said."""

    id: int


# -- from the child -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ready:
    """The first message: it can be asked."""

    version: int
    device: DeviceReport


@dataclass(frozen=True, slots=True)
class Beat:
    """The process runs, which says nothing of the engine; `model` is the one in memory."""

    model: str | None


@dataclass(frozen=True, slots=True)
class Pulse:
    """The engine itself has taken a step of what `id` asked for."""

    id: int


@dataclass(frozen=True, slots=True)
class Progress:
    """As `OnProgress` of the executor; without segments `segments` is 0."""

    id: int
    stage: str
    done: int
    total: int | None
    share: float | None
    segments_done: int = 0
    segments: int = 0
    border: float = 0.0


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a `Run` or a `Join`; as `Outcome`."""

    id: int
    model: str
    width: int
    height: int
    frames: int
    seconds: float
    tiled: bool
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Previewed:
    """The end of a `Preview`: what its images show, and the model that ran."""

    id: int
    model: str
    shown: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The model is in memory."""

    id: int
    model: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """The file that is meant."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Listed:
    """The models, as `GET /api/models` describes them."""

    id: int
    models: list[Any]


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a job would take, as `Executor.foresee` answers it."""

    id: int
    plan: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Need:
    """So many bytes it takes to decode the file's beginning."""

    id: int
    size: int


@dataclass(frozen=True, slots=True)
class Looked:
    """What a file is; as `Media`."""

    id: int
    kind: str
    width: int
    height: int
    frames: int
    fps: float | None
    duration_s: float | None
    incomplete: str
    formats: list[str]
    bit_depth: int
    alpha: bool


@dataclass(frozen=True, slots=True)
class Drawn:
    """A WebP picture of some kilobytes, in base64; None if there is none of that file."""

    id: int
    picture: str | None


@dataclass(frozen=True, slots=True)
class FrameDrawn:
    """The frame lies where it was wanted."""

    id: int


@dataclass(frozen=True, slots=True)
class Said:
    """A line of the child's log, which writes it itself as well. `level`: as `logs.LEVELS`, or `critical`."""

    level: str
    logger: str
    text: str


@dataclass(frozen=True, slots=True)
class Fault:
    """An error, in answer to `id`; 0: of the child as a whole, before it was ready.

    Attributes:
        kind: the name of its class. number, name: its `errno` and `name`, where it has them.
        device: whether the device is at fault; the child ends after such an error.
        others_mb: memory of the GPU that other programs hold, where that is why there is not enough.
    """

    id: int
    kind: str
    message: str
    number: int = 0
    name: str = ""
    device: bool = False
    others_mb: int = 0


ToChild = (
    Setup
    | Run
    | Preview
    | Join
    | Cancel
    | GiveWay
    | Load
    | Resolve
    | ListModels
    | Foresee
    | Probe
    | Draw
    | DrawFrame
    | LetIn
)
_OfEngine = Ready | Beat | Pulse | Progress | Finished | Previewed | Loaded | Resolved | Listed | Foreseen
FromChild = _OfEngine | Need | Looked | Drawn | FrameDrawn | Said | Fault
Message = ToChild | FromChild
