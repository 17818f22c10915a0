"""Which GPU the engine is to see: what the settings and the environment say, as one UUID.

Numbers mean different cards to different programs: NVML counts by slot, CUDA puts the fastest first unless it is told
otherwise, containers count anew, and an exported CUDA_VISIBLE_DEVICES hides some. A UUID means one card to all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from daemon.engine.gpu import NONE, Card, cards
from daemon.errors import EngineAwayError
from daemon.settings.keys import ModelSettings

VARIABLE, ORDER = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"
_HIDDEN = ("", "-1", "none", "void", "nodevfiles")
_BY_SLOT = "PCI_BUS_ID"


@dataclass(frozen=True, slots=True)
class Choice:
    """What the engine's process gets.

    Attributes:
        visible: its CUDA_VISIBLE_DEVICES; None to leave that as it is, since no driver can be asked.
        device: the engine's device: the one card that it sees is `cuda`, whatever its number elsewhere.
    """

    visible: str | None
    device: str

    def environment(self) -> dict[str, str]:
        """Variables for the process."""
        return {} if self.visible is None else {VARIABLE: self.visible}


def choose(settings: ModelSettings, environment: Mapping[str, str]) -> Choice:
    """The GPU that `model.gpu`, `model.device` and the environment name together.

    `gpu` counts among those that an exported CUDA_VISIBLE_DEVICES shows; a number beyond them means the one that is
    there, as in a container whose runtime has hidden the others. `device = "cuda:N"` is the N-th of those that `gpu`
    names, or of all of them where `gpu` names none in particular.

    Raises:
        EngineAwayError: there is no such GPU; the message says what to change.
    """
    named = [name.strip() for name in settings.gpu.split(",")]
    if settings.device == "cpu" or named[0].lower() in NONE:
        return Choice("", settings.device)
    exported = environment.get(VARIABLE)
    if exported is not None and exported.strip().lower() in _HIDDEN:
        return Choice("", settings.device)
    present = cards()
    if not present:
        return Choice(named[0] if exported is None and _is_uuid(named[0]) else None, settings.device)
    shown = [card.uuid for card in present] if exported is None else _exported(exported, present, environment)
    picked = _pick(_named(named, shown, present), shown, named, settings.device)
    return Choice(_instance(picked, present), "cuda" if settings.device.startswith("cuda") else settings.device)


def _pick(wanted: Sequence[str], shown: Sequence[str], named: Sequence[str], device: str) -> str:
    kind, _, digits = device.partition(":")
    if kind != "cuda" or not digits.isdigit():
        return wanted[0]
    number = int(digits)
    if number < len(wanted) and (number or len(wanted) > 1):
        return wanted[number]
    if list(named) in (["0"], ["all"], [""]):
        if number < len(shown):
            return shown[number]
        raise EngineAwayError(f"model.device is {device}, but there are {len(shown)} GPUs; leave it at auto")
    if number == 0 or (number < len(shown) and shown[number] == wanted[0]):
        return wanted[0]
    raise EngineAwayError(f"model.gpu names one GPU and model.device = {device} another; leave model.device at auto")


def _named(names: Sequence[str], shown: Sequence[str], present: Sequence[Card]) -> list[str]:
    found = []
    for name in names:
        if name.isdigit():
            # Beyond the count: the container's runtime has numbered those left anew.
            found.append(shown[int(name)] if int(name) < len(shown) else shown[0])
        elif _is_uuid(name):
            found.append(_whole(name, present))
        elif name.lower() in ("", "all"):
            found += shown
    return found or list(shown)


def _exported(exported: str, present: Sequence[Card], environment: Mapping[str, str]) -> list[str]:
    """The cards that the variable shows; a number whose meaning only CUDA knows stays a number."""
    alike = len({card.name for card in present}) == 1 or environment.get(ORDER) == _BY_SLOT
    shown = []
    for entry in (each.strip() for each in exported.split(",")):
        if entry.isdigit() and int(entry) < len(present):
            shown.append(present[int(entry)].uuid if alike else entry)
        elif _is_uuid(entry):
            shown.append(_whole(entry, present))
        else:
            # CUDA does not look any further either.
            break
    if not shown:
        raise EngineAwayError(f"{VARIABLE} is {exported!r}, which names no GPU here; correct or unset it")
    return shown


def _whole(short: str, present: Sequence[Card]) -> str:
    """The whole UUID of a card of which the beginning is given. Those of MIG instances are taken as they are."""
    if short.startswith("MIG-"):
        return short
    fitting = [card.uuid for card in present if card.uuid.lower().startswith(short.lower())]
    if len(fitting) != 1:
        how = "several GPUs begin so" if fitting else "there is no such GPU"
        raise EngineAwayError(f"the GPU {short} was asked for, but {how}; nvidia-smi -L lists them")
    return fitting[0]


def _instance(uuid: str, present: Sequence[Card]) -> str:
    """Of a card that is divided into MIG instances the first one: CUDA cannot use the card itself."""
    card = next((card for card in present if card.uuid == uuid), None)
    if card is None or not card.divided:
        return uuid
    if not card.instances:
        raise EngineAwayError(f"MIG is on for {card.name}, but it has no instance; make one, or switch MIG off")
    return card.instances[0]


def _is_uuid(name: str) -> bool:
    return name.startswith(("GPU-", "MIG-"))
