"""Networks that take turns on the device: while one computes, the other's weights wait in main memory."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from seedvr2.network.host_weights import HostWeights
from seedvr2.network.transfer import Transfer


class Parked(nn.Module):
    """A network that can leave the device.

    Attributes:
        transfer: how its weights travel; None where they are in main memory anyway, and nothing happens.
    """

    def __init__(self) -> None:
        super().__init__()
        self.transfer: Transfer | None = None
        self._homes: list[HostWeights] = []
        self._away = False

    def parts(self) -> Iterable[nn.Module]:
        """The modules that travel, each in a buffer of its own: one for all would need as large a hole in memory."""
        raise NotImplementedError

    def offload(self) -> None:
        """Free the device of the weights. Only the first time copies them; later ones drop what was lent.

        Also what an `onload` had lent that found no room for the rest.
        """
        if self.transfer is None:
            return
        if not self._homes:
            homes = [HostWeights(part, self.transfer) for part in self.parts()]
            self._homes = [home for home in homes if home.nbytes]
        for home in self._homes:
            home.recall()
        self._away = True

    def onload(self) -> None:
        """Bring the weights back, beside what the device still computes."""
        if self.transfer is None or not self._away:
            return
        for home in self._homes:
            home.lend(_received(home.buffer, self.transfer))
        self._away = False


def _received(source: Tensor, transfer: Transfer) -> Tensor:
    """A copy of `source` on the device, for the computation that is asked for from now on."""
    buffer = transfer.device_buffer(source.nbytes)
    transfer.wait(transfer.copy(buffer, source, transfer.computed()))
    return buffer
