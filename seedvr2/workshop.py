"""Where work is done: a device, the model that is in its memory, and what is planned for both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from seedvr2.catalogue.places import ModelsDir
from seedvr2.circumstances import circumstances_here
from seedvr2.errors import OutOfMemoryError
from seedvr2.heap import keep_freed_blocks, return_freed_blocks
from seedvr2.media import MediaInfo, Source
from seedvr2.model import Model, choose_device, choose_dtype, load_model, release_memory
from seedvr2.network.compiled import compiling
from seedvr2.pipeline.sizes import sizes_of
from seedvr2.planning.card import DeviceLayer
from seedvr2.planning.machine import MachinePlanner
from seedvr2.planning.plan import Plan
from seedvr2.planning.planner import Request
from seedvr2.progress import Progress
from seedvr2.restoration import Restoration
from seedvr2.segments.freezing import Circumstances
from seedvr2.selection import ModelFiles, select_model
from seedvr2.task import Task
from seedvr2.trouble import is_out_of_memory


class Workshop:
    """One device with one model at a time.

    Attributes:
        device, dtype: where the networks are and what they compute in. planner: of its jobs.
        model: what is in memory, or None.
    """

    def __init__(
        self,
        models_dir: ModelsDir,
        *,
        device: str,
        dtype: str,
        default_model: str,
        memory: Path | None,
        layer: DeviceLayer | None,
        compile: bool,
    ) -> None:
        """Arguments and errors as for `Upscaler`."""
        self.device = choose_device(device)
        self.dtype = choose_dtype(dtype, self.device)
        self.planner = MachinePlanner(self.device, self.dtype, memory=memory, layer=layer)
        self.model: Model | None = None
        self._models_dir = models_dir
        self._default = default_model
        self._compile = compile
        self._blocks_to_swap = 0
        keep_freed_blocks()

    def files(self, model: str) -> ModelFiles:
        """The files of the model that a name stands for. Raises ModelNotInstalledError, NeverFitsError."""
        wanted = self._default if model in ("", "auto") else model
        layer = self.planner.layer
        capacity = None if layer is None else layer.card().capacity
        return select_model(wanted, self._models_dir, self.device, capacity)

    def load(self, files: ModelFiles, blocks_to_swap: int) -> Model:
        """Bring a model into memory in place of the present one.

        Raises:
            CheckpointError: its files are missing, damaged or of another model.
            OutOfMemoryError: the device cannot hold it.
        """
        # With more blocks in main memory than it needs to have, a job is hardly slower; loading anew takes longer.
        if self.model and self.model.name == files.name and self._blocks_to_swap >= blocks_to_swap:
            return self.model
        self.unload()
        try:
            self.model = load_model(
                files, models_dir=self._models_dir, device=self.device, dtype=self.dtype, blocks_to_swap=blocks_to_swap
            )
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise self.out_of_memory() from error
        self._blocks_to_swap = blocks_to_swap
        self.planner.weights = self.model.resident_bytes
        return self.model

    def unload(self) -> None:
        """Drop the model and give its memory back."""
        self.model = None
        self.planner.weights = 0
        release_memory()

    @contextmanager
    def at_work(
        self,
        task: Task,
        clip: Source,
        request: Request,
        plan: Plan,
        total: int | None,
        done: int = 0,
        borders: Sequence[int] = (),
    ) -> Iterator[Restoration]:
        """The model in memory as the plan wants it, at work on a source; the last three as for `Restoration`."""
        task.report(Progress("loading", done, total, float(done)))
        model = self.load(task.files, plan.blocks_to_swap)
        self.planner.started()
        work = Restoration(model, self.device, clip.info, task, plan, total, done, borders)
        with (
            compiling(self._compile),
            model.dit.keeping_expanded(self.planner.spare_on_host(plan, request, clip.info)),
        ):
            yield work
        self.planner.ended_well(plan, request)

    @contextmanager
    def careful(self) -> Iterator[None]:
        """Leaves the process as it was found, whatever happens to a job.

        Raises:
            OutOfMemoryError: memory ran out, in whatever library.
        """
        threads = torch.get_num_threads()
        try:
            yield
        except (RuntimeError, MemoryError, OSError) as error:
            if not is_out_of_memory(error):
                raise
            release_memory()
            raise self.out_of_memory() from error
        finally:
            torch.set_num_threads(threads)
            return_freed_blocks()  # not earlier: what is at work holds the last tensors until it ends

    def circumstances(
        self, files: ModelFiles, info: MediaInfo, request: Request, check: Callable[[int, int], None]
    ) -> Circumstances:
        """What a result depends on here; `check` as for `circumstances_here`. Raises CheckpointError."""
        size = sizes_of((info.width, info.height), request.options, request.facts.multiple).output
        return circumstances_here(files, self.device, self.dtype, size, check)

    def out_of_memory(self) -> OutOfMemoryError:
        """What is to be raised where memory ran out."""
        return OutOfMemoryError(
            f"There is not enough memory on {self.device} for this job; use a smaller result (resolution, scale) or "
            "batch_size, vae_tiling = on with vae_quality = low, or a smaller model."
        )
