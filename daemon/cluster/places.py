"""The places of the cluster, as the gateway tells of them."""

from __future__ import annotations

from daemon.cluster.dispatcher import VAE, Spot
from daemon.cluster.messages import Place

READY = ("idle", "loading", "busy")


class Places:
    """Used under the lock of the foreman.

    Attributes:
        why: why there is no cluster now, in a few words; empty: there is.
    """

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        self._gone: dict[str, str] = {}
        self.why = "the cluster is being started"

    @property
    def all(self) -> list[Place]:
        """All that there are, by name."""
        return [self._places[name] for name in sorted(self._places)]

    @property
    def spots(self) -> list[Spot]:
        """Those that work, or could, in the order in which they came."""
        return [spot_of(place) for place in self._places.values() if place.kind and place.state in READY]

    @property
    def problems(self) -> list[str]:
        """What is wrong with the cluster, a sentence each."""
        if self.why:
            return [self.why]
        said = [f"{place.id}: {place.why}" for place in self._places.values() if place.why]
        return [*self._gone.values(), *sorted(said)]

    def get(self, name: str) -> Place | None:
        """A place; None if it is not there."""
        return self._places.get(name)

    def idle(self, name: str) -> bool:
        """Whether a place is there and has nothing to do."""
        place = self._places.get(name)
        return place is not None and place.state == "idle"

    def seen(self, place: Place) -> None:
        """A place is new, or has changed."""
        self._gone.pop(place.id, None)
        self._places[place.id] = place

    def left(self, name: str, why: str) -> None:
        """A place is not there any more."""
        if self._places.pop(name, None) is not None:
            self._gone[name] = why

    def down(self, why: str) -> None:
        """The whole cluster is away."""
        self.why = why
        self._places.clear()
        self._gone.clear()


def spot_of(place: Place) -> Spot:
    """A place as far as it matters for what is made there."""
    files = {**place.models, VAE: place.vae} if place.models else {}
    return Spot(place.id, place.machine, place.kind, place.free_mb, place.model, files, place.fetches)
