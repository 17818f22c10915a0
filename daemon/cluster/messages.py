"""What the service and the gateway to Ray say to each other: one JSON object a line, no more than is listed here."""

from __future__ import annotations

import typing
from dataclasses import dataclass, field
from typing import Any

from daemon.engine.codec import Codec

VERSION = 1
# The stage in which a source goes to a machine that does not see it.
SENDING = "sending"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one unit at a time can be made: one GPU.

    Attributes:
        id: by which it is asked for. machine: its name. gpu_index: of the GPU there, as its driver counts.
        kind: the name of the GPU, or `cpu`. vram_mb, free_mb: its memory, and what was free of it when last asked.
        engine: version of this program. models: names and, where known, SHA-256 of those that are there.
        vae: SHA-256 of the VAE that is there, where known. fetches: whether a missing model is fetched by itself there.
        here: whether it is on the machine of the service.
        state: idle, loading, busy, suspect (it does not answer) or refused (it cannot work). why: of the last two.
        model, unit: in memory, and which attempt is being made; empty: none.
        shared: whether it sees the folders of the service; if not, files are sent there and back.
    """

    id: str
    machine: str
    gpu_index: int = 0
    kind: str = ""
    vram_mb: int = 0
    free_mb: int = 0
    engine: str = ""
    models: dict[str, Any] = field(default_factory=dict)
    vae: str = ""
    fetches: bool = False
    here: bool = False
    state: str = "idle"
    why: str = ""
    model: str = ""
    unit: str = ""
    shared: bool = True


# -- to the gateway -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setup:
    """The first message.

    Attributes:
        mode: as the setting. address: of the Ray head; empty: a Ray of its own, on the loopback interface.
        head: what starts that head first; empty: it is there.
        gpus: how many places of this machine there are; of a Ray of its own.
        folder: of its own, for sockets; its path is short.
        engine: how the engine is set up on this machine, as `Bench` takes it; others have settings of their own.
        listed: the folder with the list of machines that may work; empty: any.
        mark: of the folder of the results, by which other machines see that they share it; as `Mark`. Empty: none.
        idle_s: seconds without work until a place gives its memory back; 0: never.
        level, form: of the log. share: as the setting.
    """

    version: int
    mode: str
    address: str
    head: list[Any]
    gpus: int
    folder: str
    engine: dict[str, Any]
    listed: str
    mark: dict[str, Any]
    idle_s: float
    level: str
    form: str
    share: str = "auto"


@dataclass(frozen=True, slots=True)
class Run:
    """Carry out an order at a place, as that `attempt`; answered by `Done`, `Failed` or `Lost`."""

    attempt: str
    place: str
    order: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop an attempt."""

    attempt: str


@dataclass(frozen=True, slots=True)
class Kill:
    """End what runs at a place, whatever it does."""

    place: str
    why: str


@dataclass(frozen=True, slots=True)
class Rest:
    """Give back the memory of all places that have nothing to do."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """Fetch a model, and what it needs, to the models folders of a machine; answered by `FetchEnded`."""

    number: int
    machine: str
    model: str


@dataclass(frozen=True, slots=True)
class StopFetch:
    """Give up what `Fetch` asked for, which is answered all the same; what is there of it stays."""

    number: int


@dataclass(frozen=True, slots=True)
class LookAgain:
    """The models on the machine of the service have changed."""


# -- from the gateway -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Up:
    """The first message: it is connected to Ray."""

    version: int
    ray: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is no Ray to work with; the gateway ends."""

    why: str


@dataclass(frozen=True, slots=True)
class Beat:
    """The process runs."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A place that is new, or has changed."""

    place: Place


@dataclass(frozen=True, slots=True)
class Gone:
    """A place is not there any more."""

    place: str
    why: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an attempt is; as `OnProgress` of the executor."""

    attempt: str
    stage: str
    done: int
    total: int | None
    share: float | None


@dataclass(frozen=True, slots=True)
class Done:
    """An attempt is carried out: what the bench answered."""

    attempt: str
    answer: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt failed, and the place goes on; as `Fault` of the engine's messages.

    `here`: it is a disk of the service's machine that refused, and no other place would fare better.
    """

    attempt: str
    kind: str
    message: str
    number: int = 0
    name: str = ""
    device: bool = False
    others_mb: int = 0
    here: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """The place ended over an attempt, or does not answer; what it made of it is unknown. `begun`: if it had it."""

    attempt: str
    why: str
    begun: bool = True


@dataclass(frozen=True, slots=True)
class Carried:
    """So many more bytes of files have travelled `to` a machine, or `from` it, since this was last said."""

    machine: str
    direction: str
    bytes: int


@dataclass(frozen=True, slots=True)
class FetchStep:
    """How far the file is that is on its way; as `Step` of the process that fetches."""

    number: int
    file: str
    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class FetchEnded:
    """It is there, or was given up, or `error` says why not; `lost`: what fetched it is gone, and it says how."""

    number: int
    error: str = ""
    lost: bool = False


ToGateway = Setup | Run | Cancel | Kill | Rest | Fetch | StopFetch | LookAgain
FromGateway = Up | Trouble | Beat | Seen | Gone | Progress | Done | Failed | Lost | FetchStep | FetchEnded | Carried
CODEC = Codec((*typing.get_args(ToGateway), *typing.get_args(FromGateway)), (Place,))
