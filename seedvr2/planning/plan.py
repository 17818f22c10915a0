"""How a job is run on a device: what the planner decides, and what each decision takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

from seedvr2.network.tiling import Tiling
from seedvr2.options import UpscaleOptions
from seedvr2.pipeline.batching import pad_indices
from seedvr2.pipeline.sizes import Size, sizes_of
from seedvr2.planning.facts import ModelFacts
from seedvr2.planning.needs import colour_bytes, dit_bytes, expansion_bytes, form_bytes, held_bytes, vae_bytes

if TYPE_CHECKING:
    # At run time it would bring the decoders along, which planning has no use for.
    from seedvr2.media import MediaInfo

# What makes two plans the same way of running a job.
_SETTINGS = ("tile", "window", "overlap", "blocks_to_swap", "in_turn", "roomy")
# A tile overlaps its neighbour by this share of its edge.
_OVERLAP = 8
# Blocks that are on the device while the others wait in main memory: the one at work and the next.
_BLOCKS_AT_WORK = 2
# Each stage was counted on its own; what one hands to the next (latents, noise, a result twice) is this much more.
_HANDED_ON = 1.02
# Frames of a clip from which on the VAE's need only grows with the result.
_MANY = 17
_RESULT_BYTES = 3 * 4  # per pixel: three channels in float32


@dataclass(frozen=True, slots=True)
class Work:
    """What a job is about, whatever it runs on.

    Attributes:
        source, size: width and height of the source, and of the padded result.
        frames: in the source; None if it does not say. picture: one frame, no window.
        uniform: short batches are filled up.
        stitched: the VAE passes over a shot once, and not over each batch.
    """

    source: Size
    size: Size
    frames: int | None
    picture: bool
    alpha: bool
    uniform: bool
    factor: int
    stitched: bool = False

    @classmethod
    def of(cls, info: MediaInfo, options: UpscaleOptions, facts: ModelFacts) -> Work:
        """The work of upscaling a source with these options."""
        sizes = sizes_of((info.width, info.height), options, facts.multiple)
        picture = info.kind == "picture"
        return cls(
            source=(info.width, info.height),
            size=sizes.padded,
            frames=1 if picture else info.frames,
            picture=picture,
            alpha=info.has_alpha,
            uniform=options.uniform_batch_size and not picture,
            factor=facts.vae_config.temporal_factor,
            stitched=options.stitching == "latent" and not picture,
        )

    def one_pass(self, window: int) -> bool:
        """Whether windows of so many frames are stitched: those of one latent are not."""
        return self.stitched and window > self.factor

    def padded(self, window: int) -> int:
        """Frames that the networks see of a batch of `window`."""
        count = window if self.uniform else min(window, self.frames or window)
        return len(pad_indices(count, window if self.uniform else count, self.factor))


@dataclass(frozen=True, slots=True)
class Plan:
    """How a job is run.

    Attributes:
        tile: edge of the VAE's tiles in pixels; None for whole frames.
        window: frames of a batch. overlap: frames that two batches share.
        blocks_to_swap: blocks of the transformer that wait in main memory.
        in_turn: the VAE waits there too while the transformer works.
        roomy: the VAE keeps on the device what a slice leaves for the next one, and takes more frames at a time.
        need: bytes at the peak, weights included. weights: of them, the weights that stay.
        reasons: sentences that say why, for people.
    """

    tile: int | None
    window: int
    overlap: int = 0
    blocks_to_swap: int = 0
    in_turn: bool = False
    roomy: bool = False
    need: int = 0
    weights: int = 0
    reasons: tuple[str, ...] = ()

    @property
    def tiling(self) -> Tiling | None:
        """The tiles as the VAE takes them."""
        if self.tile is None:
            return None
        overlap = self.tile // _OVERLAP
        return Tiling((self.tile, self.tile), (overlap, overlap))

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two plans the same way of running a job."""
        return {name: getattr(self, name) for name in _SETTINGS}

    def within(self, other: Plan) -> bool:
        """Whether no part of this plan asks for more than that of the other."""
        edge, limit = (math.inf if tile is None else tile for tile in (self.tile, other.tile))
        not_larger = edge <= limit and self.window <= other.window
        not_roomier = self.in_turn >= other.in_turn and self.roomy <= other.roomy
        return not_larger and self.blocks_to_swap >= other.blocks_to_swap and not_roomier

    def words(self) -> str:
        """The plan in a few words: `tiles of 512 pixels, batches of 5, 8 blocks in main memory`."""
        parts = ["whole frames" if self.tile is None else f"tiles of {self.tile} pixels", f"batches of {self.window}"]
        if self.blocks_to_swap:
            parts.append(f"{self.blocks_to_swap} blocks in main memory")
        if self.in_turn:
            parts.append("VAE and transformer in turn")
        if self.roomy:
            parts.append("more frames at a time")
        return ", ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Plan:
        """The plan that `as_dict` gave; unknown names are an error."""
        return cls(**{**values, "reasons": tuple(values.get("reasons", ()))})


def waiting_bytes(plan: Plan, facts: ModelFacts, work: Work, itemsize: int = 2) -> int:
    """What waits in main memory from one slice of the VAE to the next, where it does not stay on the device.

    Of a batch of one slice there is nothing.
    """
    if plan.roomy or facts.vae_config.kernel == 1:
        return 0
    width, height = (min(plan.tile or edge, edge) for edge in work.size)
    frames = _MANY if work.one_pass(plan.window) else work.padded(plan.window)
    kept, left = (
        vae_bytes(facts.vae_config, width, height, frames, itemsize, roomy=roomy)[1] for roomy in (True, False)
    )
    single = frames <= sum(facts.vae_config.slices)
    return 0 if single else max(kept - left, 0)


def with_need(plan: Plan, facts: ModelFacts, work: Work, itemsize: int = 2) -> Plan:
    """The plan with what it takes at the peak, and the weights that stay on the device all the time."""
    width, height = work.size
    pixels = width * height
    frames = work.padded(plan.window)
    held = held_bytes(prod(work.source), pixels, frames)
    colour = colour_bytes(pixels, frames) + _RESULT_BYTES * pixels * frames
    if work.alpha:
        held, colour = held * 4 // 3, colour * 4 // 3
    swapped = sum(facts.blocks[: plan.blocks_to_swap])
    resident = facts.weights - swapped
    buffers = _BLOCKS_AT_WORK * max(facts.blocks) if swapped else 0
    edges = (min(plan.tile or width, width), min(plan.tile or height, height))
    # A pass over a shot has many slices, of which one leaves something for the next, however short a batch is.
    together = max(frames, _MANY) if work.one_pass(plan.window) and facts.vae_config.kernel > 1 else frames
    encode, decode = vae_bytes(facts.vae_config, *edges, together, itemsize, roomy=plan.roomy)
    if work.one_pass(plan.window) and plan.roomy:
        # It stays on the device while the frames of one window are coloured.
        colour += decode - vae_bytes(facts.vae_config, *edges, together, itemsize)[1]
    encode += 3 * itemsize * pixels * frames
    if plan.tile is not None:
        # The sum of the tiles, and the one that is added to it, weighted in float32.
        decode += _RESULT_BYTES * frames * (pixels + prod(edges))
    factor, patch = facts.vae_config.spatial_factor, facts.dit.patch
    latents = (frames - 1) // facts.vae_config.temporal_factor + 1
    grid = (latents // patch[0], height // factor // patch[1], width // factor // patch[2])
    restore = dit_bytes(facts.dit, grid, itemsize) - (facts.vae if plan.in_turn else 0)
    # Blocks on their way and an expanded weight are there for the transformer only, but what they leave behind is in
    # pieces that the VAE's large tensors do not fit into.
    always = (
        held
        + resident
        + buffers
        + form_bytes(facts.vae_config, itemsize)
        + expansion_bytes(facts.stored, facts.largest, itemsize, gated=facts.dit.gated_mlp)
    )
    return replace(plan, need=int((always + max(encode, decode, restore, colour)) * _HANDED_ON), weights=resident)
