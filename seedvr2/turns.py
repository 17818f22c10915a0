"""VAE and transformer in turn: while the one works, the other's weights wait in main memory.

The blocks of the transformer come and go by themselves (`blocks_to_swap`); here it is the VAE that makes room.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from seedvr2.network.stored import place
from seedvr2.pipeline.restore import BatchRestorer

_HOST = torch.device("cpu")


@dataclass
class InTurnRestorer(BatchRestorer):
    """A `BatchRestorer` whose VAE leaves the device while the transformer is at work."""

    _waiting: dict[str, Tensor] = field(default_factory=dict)

    @torch.no_grad()
    def denoise(self, latent: Tensor, index: int) -> Tensor:
        """As `BatchRestorer.denoise`."""
        with self._without_vae():
            return super().denoise(latent, index)

    @contextmanager
    def _without_vae(self) -> Iterator[None]:
        vae = self.model.vae
        if not self._waiting:
            # Copied once: weights never change, so nothing has to travel back from the device.
            self._waiting = {name: tensor.to(_HOST, copy=True) for name, tensor in vae.state_dict().items()}
        put(vae, self._waiting, _HOST)
        try:
            yield
        finally:
            put(vae, self._waiting, self.model.device)


def put(network: nn.Module, weights: dict[str, Tensor], device: torch.device) -> None:
    """Give a network these weights on `device`; the ones that it had are let go."""
    for name, tensor in weights.items():
        place(network, name, tensor.to(device))
