"""SeedVR2's causal video VAE (spec: engine.md, section 3).

A clip passes in slices of a few frames, each convolution remembering the frames that the next slice needs, so
memory does not grow with the clip and the result is that of the whole clip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from seedvr2.network.causal import CausalConv3d, CausalMemory
from seedvr2.network.config import VAEConfig
from seedvr2.network.frame_store import DeviceStore, FrameStore, host_store
from seedvr2.network.parking import Parked
from seedvr2.network.parts import Part, consumed, joined, split
from seedvr2.network.precision import run_finite, stream_finite
from seedvr2.network.slices import Clip, Scaled, filled, in_slices
from seedvr2.network.upsample import Upsample
from seedvr2.network.vae_layers import Downsample, GroupNorm, MidBlock, ResnetBlock
from seedvr2.places import on_processor

OnSlice = Callable[[int], None]
# Frames at full size that pass through a layer together: a processor's convolutions save products where four do.
ROOMY, LEAN = 4, 1


class DownBlock(nn.Module):
    """Residual blocks, then a downsampler where another level follows."""

    def __init__(self, config: VAEConfig, level: int) -> None:
        super().__init__()
        width = config.widths[level]
        inputs = [config.widths[max(level - 1, 0)]] + [width] * (config.resnets - 1)
        self.resnets = nn.ModuleList(ResnetBlock(n, width, config.groups, config.kernel) for n in inputs)
        if level < len(config.down_kernels):
            self.downsamplers = nn.ModuleList([Downsample(width, config.down_kernels[level])])

    def forward(self, parts: Iterable[Part], memory: CausalMemory) -> Iterable[Part]:
        for layer in (*self.resnets, *getattr(self, "downsamplers", ())):
            parts = layer(parts, memory)
        return parts


class UpBlock(nn.Module):
    """Residual blocks, then an upsampler where another level follows."""

    def __init__(self, config: VAEConfig, level: int) -> None:
        super().__init__()
        widths = config.widths[::-1]
        width = widths[level]
        inputs = [widths[max(level - 1, 0)]] + [width] * config.resnets
        self.resnets = nn.ModuleList(ResnetBlock(n, width, config.groups, config.kernel) for n in inputs)
        if level < len(config.up_factors):
            self.upsamplers = nn.ModuleList([Upsample(width, config.up_factors[level], config.kernel)])

    def forward(self, parts: Iterable[Part], memory: CausalMemory, most: int | None = None) -> Iterable[Part]:
        """`most`: frames of the larger size at a time, where they are to be fewer than there are."""
        for resnet in self.resnets:
            parts = resnet(parts, memory)
        for upsample in getattr(self, "upsamplers", ()):
            parts = upsample(split(parts, max(most // upsample.factor, 1)) if most else parts, memory)
        return parts


class Encoder(nn.Module):
    """Frames to mean and log-variance; `most` frames of full size at a time."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        widths, kernel = config.widths, config.kernel
        self.conv_in = CausalConv3d(3, widths[0], (kernel, 3), padding=1)
        self.down_blocks = nn.ModuleList(DownBlock(config, level) for level in range(len(widths)))
        self.mid_block = MidBlock(widths[-1], config.groups, kernel, attention=config.attention)
        self.conv_norm_out = GroupNorm(config.groups, widths[-1])
        self.conv_out = CausalConv3d(widths[-1], 2 * config.latent_channels, (kernel, 3), padding=1)

    def forward(self, parts: Iterable[Part], memory: CausalMemory, most: int) -> Iterator[Part]:
        parts = _each(self.conv_in, split(parts, most), memory)
        for index, block in enumerate(self.down_blocks):
            parts = block(parts, memory) if index == 0 else block(joined(parts), memory)
        yield from _each(self.conv_out, self.mid_block(parts, memory), memory, self.conv_norm_out)


class Decoder(nn.Module):
    """Latents to frames; `most` frames of full size at a time."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        widths, kernel = config.widths, config.kernel
        self.conv_in = CausalConv3d(config.latent_channels, widths[-1], (kernel, 3), padding=1)
        self.up_blocks = nn.ModuleList(UpBlock(config, level) for level in range(len(widths)))
        self.mid_block = MidBlock(widths[-1], config.groups, kernel, attention=config.attention)
        self.conv_norm_out = GroupNorm(config.groups, widths[0])
        self.conv_out = CausalConv3d(widths[0], 3, (kernel, 3), padding=1)

    def forward(self, parts: Iterable[Part], memory: CausalMemory, most: int) -> Iterator[Part]:
        parts = self.mid_block(_each(self.conv_in, parts, memory), memory)
        for index, block in enumerate(self.up_blocks):
            parts = block(parts, memory, most if index == len(self.up_blocks) - 2 else None)
        yield from _each(self.conv_out, parts, memory, self.conv_norm_out)


class VideoVAE(Parked):
    """The VAE over clips of frames (C, T, H, W) and latents (T', H', W', c).

    Attributes:
        dtype: what it is meant to compute in. It does so in the type of what it is given, as long as that holds the
            numbers: a clip that overflows is computed again, and returned, in a wider type.
        retries: how often that has happened.
        roomy: whether a device has memory for more than the least: what a slice leaves for the next one stays on it
            then, and several frames of full size pass through a layer together. Nothing changes on a processor.
        away: makes what keeps that otherwise; main memory where None.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        self.dtype = torch.float32
        self.retries = 0
        self.roomy = False
        self.away: Callable[[], FrameStore] | None = None
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def parts(self) -> Iterator[nn.Module]:
        """Its halves."""
        yield from (self.encoder, self.decoder)

    def offload(self) -> None:
        """As in `Parked`; what was made of the weights goes as well."""
        for module in self.modules():
            if isinstance(module, CausalConv3d | Upsample):
                module.clear()
        super().offload()

    def encode(self, frames: Tensor, on_slice: OnSlice | None = None) -> Tensor:
        """Frames to the latent that the transformer takes: the posterior's mode, scaled.

        Args:
            frames: (3, T, H, W) in −1…1; T = f·n + 1 and H, W multiples of the spatial factor.
            on_slice: called with the number of frames done; may raise to stop.

        Returns:
            (n + 1, H / s, W / s, c) in the type of `frames`, or a wider one.

        Raises:
            NumericError: the result does not consist of numbers, in float32 either.
        """
        moments = self.posterior(frames, on_slice)
        mode = moments[: self.config.latent_channels]
        return mode.permute(1, 2, 3, 0) * self.config.scale

    def posterior(self, frames: Tensor, on_slice: OnSlice | None = None) -> Tensor:
        """Mean and log-variance (2c, n + 1, H / s, W / s) of a clip; arguments and errors as for `encode`."""
        lead, step = self.config.slices
        count = (frames.shape[1] - 1) // self.config.temporal_factor + 1
        return self._run(self.encoder, frames.transpose(0, 1), count, lead, step, on_slice).transpose(0, 1)

    def decode(self, latent: Tensor, on_slice: OnSlice | None = None) -> Tensor:
        """Latents to frames, not clamped; errors as for `encode`.

        Args:
            latent: (n + 1, H', W', c), as `encode` gives it.
            on_slice: called with the number of latent frames done; may raise to stop.

        Returns:
            (3, f·n + 1, s·H', s·W') in the type of `latent`, or a wider one.
        """
        x = (latent / self.config.scale).permute(0, 3, 1, 2)
        lead, step = self._latent_slices
        count = (len(x) - 1) * self.config.temporal_factor + 1
        return self._run(self.decoder, x, count, lead, step, on_slice).transpose(0, 1)

    def encoding(self, frames: Clip, device: torch.device, on_slice: OnSlice | None = None) -> Iterator[Tensor]:
        """`encode` for a clip whose frames are made as they are needed, which may be a long one.

        Args:
            frames: (T, 3, H, W), asked for in order; from the start again where the type was too small.
            device: where they are.

        Yields:
            The latents (t, H / s, W / s, c) in order, as soon as there are any, in `dtype` or a wider type.
        """
        for moments in self._stream(self.encoder, frames, device, *self.config.slices, on_slice):
            yield moments[:, : self.config.latent_channels].permute(0, 2, 3, 1) * self.config.scale

    def decoding(self, latents: Clip, device: torch.device, on_slice: OnSlice | None = None) -> Iterator[Tensor]:
        """`decode` for latents (T, H', W', c) that are taken as they are needed; yields frames (t, 3, H, W)."""
        lead, step = self._latent_slices
        scaled = Scaled(latents, self.config.scale)
        yield from self._stream(self.decoder, scaled, device, lead, step, on_slice)

    @property
    def _latent_slices(self) -> tuple[int, int]:
        lead, step = self.config.slices
        return lead, max(step // self.config.temporal_factor, 1)

    def _store(self, device: torch.device) -> FrameStore:
        if self.roomy or on_processor(device):
            return DeviceStore()
        return self.away() if self.away else host_store(self.transfer)

    def _run(self, network: nn.Module, x: Tensor, count: int, lead: int, step: int, on_slice: OnSlice | None) -> Tensor:
        """The network over slices of `step` frames, `lead` more in the first; `count` frames come out."""

        def run(dtype: torch.dtype) -> Tensor:
            return filled(self._pieces(network, x, x.device, lead, step, on_slice)(dtype), count, dtype, x.device)

        return run_finite(run, x.dtype, x.device, self._stage(network), self._on_retry)

    def _stream(
        self, network: nn.Module, x: Clip, device: torch.device, lead: int, step: int, on_slice: OnSlice | None
    ) -> Iterator[Tensor]:
        pieces = self._pieces(network, x, device, lead, step, on_slice)
        return stream_finite(pieces, self.dtype, device, self._stage(network), self._on_retry)

    def _pieces(
        self, network: nn.Module, x: Clip, device: torch.device, lead: int, step: int, on_slice: OnSlice | None
    ) -> Callable[[torch.dtype], Iterator[Tensor]]:
        """The network over a clip in some type, from the start."""
        most = ROOMY if self.roomy or on_processor(device) else LEAN

        def pieces(dtype: torch.dtype) -> Iterator[Tensor]:
            # From the start: what the convolutions remember of earlier slices is gone, and kept twice it would be
            # among the largest things in memory.
            memory = CausalMemory(self._store(device))
            return in_slices(partial(network, memory=memory, most=most), x, dtype, lead, step, on_slice)

        return pieces

    def _on_retry(self) -> None:
        self.retries += 1

    def _stage(self, network: nn.Module) -> str:
        return "encoding" if network is self.encoder else "decoding"


def _each(
    conv: CausalConv3d, parts: Iterable[Part], memory: CausalMemory, before: GroupNorm | None = None
) -> Iterator[Part]:
    for part in consumed(parts):
        yield part.with_frames(conv(part, memory, before))
        del part
