"""One batch of frames through the networks: encode, restore, decode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from seedvr2.model import Model
from seedvr2.network.parking import Parked
from seedvr2.network.precision import check_finite, run_finite
from seedvr2.network.tiling import Tiling, decode_tiled, encode_tiled, tile_count
from seedvr2.pipeline.sampler import ENCODER_SEED_OFFSET, draw_noise, model_input, noisy_condition, sample

# Called with the stage and the share of it that is done (0…1); may raise to stop.
OnStage = Callable[[str, float], None]
# Noise for a batch: (index of the batch, shape) to a tensor.
NoiseSource = Callable[[int, tuple[int, ...]], Tensor]


@dataclass(frozen=True, slots=True)
class RestoreSettings:
    """What a batch needs to know beside its frames."""

    seed: int = 42
    input_noise_scale: float = 0.0
    latent_noise_scale: float = 0.0
    tiling: Tiling | None = None
    noise: NoiseSource | None = None
    # Only one of the two networks is on the device at a time.
    in_turn: bool = False
    # As in `VideoVAE`.
    roomy: bool = False


@dataclass
class BatchRestorer:
    """Runs a model over batches; each call is one batch.

    A stage whose result holds infinities or no numbers runs again in a type of wider range.

    Attributes:
        warnings: sentences about that, each once.
    """

    model: Model
    settings: RestoreSettings
    on_stage: OnStage = field(default=lambda _stage, _share: None)
    warnings: list[str] = field(default_factory=list)

    @property
    def frame_dtype(self) -> torch.dtype:
        """The type in which frames are best given: that of the VAE, or float32 where noise is added first."""
        return torch.float32 if self.settings.input_noise_scale > 0 else self.model.vae.dtype

    def restore(self, frames: Tensor, index: int) -> Tensor:
        """Restore a batch.

        Args:
            frames: (3, T, H, W) in −1…1, already resized and padded; T as the VAE wants it.
            index: of the batch, for the noise.

        Returns:
            (3, T, H, W) float32 on the model's device, not clamped.

        Raises:
            NumericError: a stage gives no numbers in any type.
        """
        latent = self.encode(frames)
        # Not kept beside the decoder, which needs the memory; so nothing that holds its arguments may decorate this.
        del frames
        return self.decode(self.denoise(latent, index))

    @torch.no_grad()
    def encode(self, frames: Tensor) -> Tensor:
        """(3, T, H, W) to the condition latent (T', H', W', c)."""
        frames = frames.to(self.model.device)
        if self.settings.input_noise_scale > 0:
            frames = self._add_noise(frames)
        frames = frames.to(self.model.vae.dtype)
        vae, tiling = self.model.vae, self.tiling(frames.shape[2], frames.shape[3])
        on_slice = self.counter("encoding", frames.shape[1], frames.shape[2], frames.shape[3])
        with self.using_vae("encoding"):
            return encode_tiled(vae, frames, tiling, on_slice) if tiling else vae.encode(frames, on_slice)

    @torch.no_grad()
    def denoise(self, latent: Tensor, index: int) -> Tensor:
        """The condition latent to the restored one, in one step; both (T', H', W', c)."""
        self.on_stage("restoring", 0.0)
        noise, second = self._noise(latent, index), None
        if self.settings.latent_noise_scale > 0:
            # Drawn after the sampler's noise from the same generator, as the second of two draws.
            second = draw_noise((2, *latent.shape), self.settings.seed)[1]
        restored = self.one_step(latent, noise, second)
        self.on_stage("restoring", 1.0)
        return restored

    @torch.no_grad()
    def one_step(self, latent: Tensor, noise: Tensor, second: Tensor | None) -> Tensor:
        """The condition latent to the restored one, with that noise; all (T', H', W', c), the result in float32.

        `second`: what `latent_noise_scale` mixes in beside the noise, if it does.
        """
        self._bring(self.model.dit, self.model.vae)
        noise, condition = noise.to(latent.device, torch.float32), latent.float()
        if second is not None:
            scale = self.settings.latent_noise_scale
            condition = noisy_condition(condition, noise, second.to(latent.device), scale)

        def predict(x: Tensor, timestep: float) -> Tensor:
            return self._velocity(model_input(x, condition), timestep)

        return sample(predict, noise)

    @torch.no_grad()
    def decode(self, latent: Tensor) -> Tensor:
        """(T', H', W', c) to (3, T, H, W) in float32."""
        vae, factor = self.model.vae, self.model.vae.config.spatial_factor
        latent = latent.to(vae.dtype)
        height, width = latent.shape[1] * factor, latent.shape[2] * factor
        tiling = self.tiling(height, width)
        on_slice = self.counter("decoding", latent.shape[0], height, width)
        with self.using_vae("decoding"):
            frames = decode_tiled(vae, latent, tiling, on_slice) if tiling else vae.decode(latent, on_slice)
        return frames.float()

    def _velocity(self, given: Tensor, timestep: float) -> Tensor:
        """The transformer's answer in float32, computed in the model's type or in a wider one."""

        def run(dtype: torch.dtype) -> Tensor:
            return check_finite(self.model.dit(given.to(dtype), self.model.text, timestep))

        return run_finite(run, self.model.dtype, given.device, "restoring", lambda: self._warn("restoring")).float()

    def _bring(self, needed: Parked, other: Parked) -> None:
        """Where the networks take turns, make room and fetch the one that is needed."""
        if self.settings.in_turn:
            other.offload()
            needed.onload()

    @contextmanager
    def using_vae(self, stage: str) -> Iterator[Callable[[], None]]:
        """The VAE is on the device, and it is told of what it had to compute again: at the end, or when asked for."""
        self._bring(self.model.vae, self.model.dit)
        self.model.vae.roomy = self.settings.roomy
        before = self.model.vae.retries

        def tell() -> None:
            if self.model.vae.retries > before:
                self._warn(stage)

        yield tell
        tell()

    def _warn(self, stage: str) -> None:
        sentence = (
            f"In {stage}, numbers became too large for the type that the network computes in, so that part was "
            "computed again in a wider one; the result is sound, it only took longer."
        )
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def _noise(self, latent: Tensor, index: int) -> Tensor:
        shape = tuple(latent.shape)
        source = self.settings.noise
        return source(index, shape) if source else draw_noise(shape, self.settings.seed)

    def _add_noise(self, frames: Tensor) -> Tensor:
        noise = draw_noise(tuple(frames.shape), self.settings.seed + ENCODER_SEED_OFFSET)
        return add_input_noise(frames, noise.to(frames.device), self.settings.input_noise_scale)

    def tiling(self, height: int, width: int) -> Tiling | None:
        """The tiles of frames of that size, where they are larger than one."""
        tiling = self.settings.tiling
        if tiling is None or (height <= tiling.size[0] and width <= tiling.size[1]):
            return None
        return tiling

    def counter(self, stage: str, frames: int, height: int, width: int) -> Callable[[int], None]:
        """An `on_slice` that turns frames done, tile after tile, into the share of the stage that is done."""
        tiling = self.tiling(height, width)
        tiles = tile_count(height, width, tiling, self.model.vae.config.spatial_factor) if tiling else 1
        finished = 0

        def on_slice(done: int) -> None:
            nonlocal finished
            self.on_stage(stage, (finished + done / frames) / tiles)
            finished += done >= frames

        self.on_stage(stage, 0.0)
        return on_slice


def add_input_noise(frames: Tensor, noise: Tensor, scale: float) -> Tensor:
    """Frames with noise added, for `input_noise_scale` in 0…1 (spec: engine.md, section 4.3)."""
    return (noise * (0.05 * 0.5 * scale)).add_(frames)
