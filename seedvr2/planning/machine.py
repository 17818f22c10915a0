"""The planner on this machine: it brings together the files of a model, the device as it is, and what is remembered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from math import prod
from pathlib import Path

import torch

from seedvr2.errors import NeverFitsError, OutOfMemoryError
from seedvr2.media import MediaInfo
from seedvr2.options import UpscaleOptions
from seedvr2.pipeline.sizes import sizes_of
from seedvr2.planning import host_memory, planner
from seedvr2.planning.card import Card, CudaLayer, DeviceLayer
from seedvr2.planning.facts import ModelFacts, facts_of_files
from seedvr2.planning.frame_memory import JobSize, check_job
from seedvr2.planning.memory import (
    MemoryNeed,
    available_bytes,
    choose_tiling,
    decode_bytes,
    form_bytes,
    restore_bytes,
)
from seedvr2.planning.plan import Plan, Work, with_need
from seedvr2.planning.planner import Request
from seedvr2.planning.remembered import Remembered
from seedvr2.selection import ModelFiles
from seedvr2.units import gigabytes

# What is kept for speed alone leaves this much of the free memory to everybody else.
_SPARE_SHARE = 0.8


class MachinePlanner:
    """Plans jobs for one device."""

    def __init__(
        self,
        device: torch.device,
        dtype: torch.dtype,
        *,
        memory: Path | None = None,
        layer: DeviceLayer | None = None,
    ) -> None:
        """`memory` is the file of what is remembered; `layer` stands in for the device, in tests."""
        self.device, self.dtype = device, dtype
        self.layer = layer or (CudaLayer(device) if device.type == "cuda" else None)
        self._remembered = Remembered(memory)
        # Bytes of the model that this process has on the device now.
        self.weights = 0

    def request(self, files: ModelFiles, info: MediaInfo, options: UpscaleOptions) -> Request:
        """A job as the planner takes it.

        Raises:
            CheckpointError: a weight file is missing, damaged or of another model.
        """
        facts = self._facts_of(files)
        work = Work.of(info, options, facts)
        return Request(facts, work, options, self.dtype.itemsize, swappable=self.layer is not None)

    def swap_to_load(self, files: ModelFiles) -> int:
        """How many blocks must stay in main memory for the model to be on the device with room to work."""
        if self.layer is None:
            return 0
        facts = self._facts_of(files)
        return planner.swap_to_load(self.layer.card(self.weights), facts)

    def _facts_of(self, files: ModelFiles) -> ModelFacts:
        return _facts(files, _stamp(files.dit), _stamp(files.vae), self.dtype.itemsize)

    def free(self, *, alone: bool = False) -> int:
        """Bytes that a job could have on the device now, those of the model's weights there included.

        Args:
            alone: as if nothing of this process were at work.
        """
        if self.layer is None:
            return available_bytes(self.device) + (host_memory.held() if alone else 0)
        return self._card(alone).usable

    def _card(self, alone: bool) -> Card:
        assert self.layer is not None
        card = self.layer.card(self.weights)
        # What a running job has allocated is given back by then.
        return replace(card, allocated=card.weights) if alone else card

    def plan(self, request: Request, info: MediaInfo, *, alone: bool = False) -> Plan:
        """How to run a job on the device as it is now.

        Args:
            alone: as if nothing else of this process were at work, which ends before this job begins.

        Raises:
            NeverFitsError: it cannot be run here at all; the message says what could.
            OutOfMemoryError: not now.
        """
        if self.layer is None:
            return self._plan_on_host(request, info, host_memory.held() if alone else 0)
        card = self._card(alone)
        spare = int(host_memory.available() * _SPARE_SHARE)
        return planner.choose(card, request, self._remembered.history(card, request), spare)

    def ran_out(self, failed: Plan, request: Request) -> None:
        """Memory ran out with a plan: do not begin with it again."""
        if self.layer is not None:
            self._remembered.ran_out(self.layer.card(self.weights), request, failed)

    def started(self) -> None:
        """A run begins: what it takes is measured from here on."""
        if self.layer is not None:
            self.layer.forget_peak()

    def ended_well(self, plan: Plan, request: Request) -> None:
        """A run ended: remember how."""
        if self.layer is not None:
            self._remembered.ended_well(self.layer.card(self.weights), request, plan, self.layer.peak())

    def first_plan_on_host(self, request: Request, info: MediaInfo, held: int = 0) -> Plan:
        """What main memory would be used like, not yet asking whether it is enough.

        Args:
            held: bytes that count as free since they will be.
        """
        options, work = request.options, request.work
        window = 1 if work.picture else options.batch_size
        batch = min(window, info.frames or window)
        available = available_bytes(self.device) + held
        free = available - self._job_size(request, info, batch, None).frames()
        tiling = choose_tiling(options, request.facts.vae_config, work.size, batch, self.dtype, free)
        # Tiles larger than the frame are the whole frame.
        tile = tiling.size[0] if tiling and tiling.size[0] < max(work.size) else None
        overlap = 0 if work.picture else options.temporal_overlap
        plan = with_need(Plan(tile, window, overlap, options.blocks_to_swap), request.facts, work, request.itemsize)
        need = gigabytes(self.need_on_host(plan, request, info))
        why = f"{plan.words()}: needs {need}, and {gigabytes(available)} of main memory are free."
        return replace(plan, reasons=(why[:1].upper() + why[1:],))

    def need_on_host(self, plan: Plan, request: Request, info: MediaInfo) -> int:
        """Bytes at the peak in main memory, weights included."""
        facts, (width, height), frames = request.facts, request.work.size, request.work.padded(plan.window)
        batch = min(plan.window, info.frames or plan.window)
        latents = (frames - 1) // facts.vae_config.temporal_factor + 1
        tokens = latents * width * height // (facts.vae_config.spatial_factor**2 * prod(facts.dit.patch))
        edge = plan.tile or max(width, height)
        need = MemoryNeed(
            facts.weights + form_bytes(facts.vae_config, facts.vae, frames, self.dtype),
            decode_bytes(facts.vae_config, min(edge, width), min(edge, height), frames, self.dtype),
            restore_bytes(facts.dit, tokens, self.dtype),
        )
        return need.total + self._job_size(request, info, batch, None).frames()

    def spare_on_host(self, plan: Plan, request: Request, info: MediaInfo) -> int:
        """Bytes of main memory that a job of several batches leaves for what they can share; none of a GPU's job."""
        if self.layer is not None or (info.frames or plan.window + 1) <= plan.window:
            return 0
        return max(int(available_bytes(self.device) * _SPARE_SHARE) - self.need_on_host(plan, request, info), 0)

    def _plan_on_host(self, request: Request, info: MediaInfo, held: int) -> Plan:
        """The first plan that main memory holds; the error of the first of all if none does."""
        refused: OutOfMemoryError | None = None
        for plan in self._walk_on_host(request, info, held):
            batch = min(plan.window, info.frames or plan.window)
            try:
                size = self._job_size(request, info, batch, plan.tile)
                check_job(size, request.options, request.facts.multiple, held)
            except NeverFitsError:
                raise
            except OutOfMemoryError as error:
                refused = refused or error
                continue
            return plan if refused is None else replace(plan, reasons=(*plan.reasons, str(refused)))
        assert refused is not None
        raise refused

    def _walk_on_host(self, request: Request, info: MediaInfo, held: int) -> Iterator[Plan]:
        plan: Plan | None = self.first_plan_on_host(request, info, held)
        while plan is not None:
            yield plan
            plan = planner.next_smaller(plan, request)

    def _job_size(self, request: Request, info: MediaInfo, batch: int, tile: int | None) -> JobSize:
        options, facts = request.options, request.facts
        sizes = sizes_of((info.width, info.height), options, facts.multiple)
        return JobSize(info, sizes, batch, tile, facts.dit, facts.vae_config, self.dtype)


def _stamp(path: Path) -> tuple[int, int]:
    """What changes when a file does; a missing one is told of when it is opened."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=16)
def _facts(files: ModelFiles, _dit: tuple[int, int], _vae: tuple[int, int], itemsize: int) -> ModelFacts:
    return facts_of_files(files.name, files.dit, files.vae, itemsize)
