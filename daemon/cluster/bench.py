"""What a place does with an order: the engine, in the process of a slot. Nothing here knows of Ray."""

from __future__ import annotations

import errno
import importlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from daemon.cluster.depot import Depot, depot_setup
from daemon.cluster.share import Mark, here, is_shared, mappings_of
from daemon.engine.executor import as_outcome
from daemon.engine.gpu import GpuFacts, cards, look
from daemon.engine.local_executor import LocalExecutor
from daemon.settings.keys import ModelSettings
from seedvr2 import __version__
from seedvr2.catalogue.hashes import sha256_of
from seedvr2.errors import MachineError, MediaError, ModelNotInstalledError
from seedvr2.options import UpscaleOptions

MIB = 1 << 20
PROCESSOR = "cpu"


class OnStep(Protocol):
    """Told how far an order is."""

    def __call__(self, stage: str, done: int, total: int | None, share: float | None, /) -> None:
        """As `OnProgress` of the executor."""


class Bench:
    """The engine on one GPU, or on the processor.

    Args:
        setup: as `engine_setup` makes it; on a machine with settings of its own, the `mark` of the results' folder.
            Besides, `share`, as the setting of the service.
    """

    def __init__(self, setup: Mapping[str, Any]) -> None:
        self._mark = Mark(**setup["mark"]) if setup.get("mark") else None
        self._share = str(setup.get("share", "auto"))
        self._paths = mappings_of(os.environ)
        setup = setup if "models_dirs" in setup else _own_setup()
        self._models_dirs = [Path(folder) for folder in setup["models_dirs"]]
        self._device, self._fetches = str(setup["device"]), bool(setup["auto_download"])
        self.depot = Depot.of(setup["depot"])
        settings = ModelSettings(
            default=setup["default"],
            auto_download=setup["auto_download"],
            device=setup["device"],
            dtype=setup["dtype"],
            compile=setup["compile"],
            gpu="all",
        )
        memory = Path(setup["memory_file"]) if setup["memory_file"] else None
        self._engine = LocalExecutor(self._models_dirs, settings, memory)

    @property
    def model(self) -> str:
        """The model in memory; empty: none."""
        return self._engine.model or ""

    def facts(self) -> dict[str, Any]:
        """What there is to know of this place, without importing the engine; keys as of `Place`."""
        gpu, shared = self._gpu(), self._shares()
        return {
            "gpu_index": gpu.index if gpu else 0,
            "kind": gpu.name if gpu else PROCESSOR,
            "vram_mb": gpu.memory_total_mb if gpu else 0,
            "free_mb": gpu.memory_total_mb - gpu.memory_used_mb if gpu else _free_memory_mb(),
            "engine": __version__,
            "models": self._models(),
            "vae": self._vae(),
            # Where any may be fetched, none is missing.
            "fetches": self._fetches,
            "model": self.model,
            "shared": shared,
            "why": self._why(shared),
        }

    def sees(self, path: str, size: int) -> bool:
        """Whether a file of the service is here, too."""
        try:
            return here(path, self._paths).stat().st_size == size
        except OSError:
            return False

    def _shares(self) -> bool:
        if self._share == "never":
            return False
        return self._mark is None or is_shared(self._mark, self._paths, writable=True)

    def _why(self, shared: bool) -> str:
        """Why nothing can be made here; empty if all is well."""
        if shared:
            return ""
        if self._mark is None or self._share != "always":
            return self.depot.why()
        folder = self._mark.folder
        return f"it does not see {folder}, or may not write there; share it, or join with --path {folder}=FOLDER"

    def carry_out(self, order: Mapping[str, Any], on_step: OnStep, cancelled: Callable[[], bool]) -> dict[str, Any]:
        """Do what is asked for. Raises as `Executor.run`; OptionError of `plan`: here something differs from it."""
        carried = order.get("carried") or {}
        source, target = self._source(order, carried), self._target(order, carried)
        try:
            if order["what"] == "segment":
                return self._segment(source, target, order, on_step, cancelled)
            return self._begin(source, target, order, on_step, cancelled)
        except MediaError as error:
            if carried.get("source") and not self.depot.is_whole(carried["attempt"]):
                what = f"The copy of {source.name} on this machine was damaged, and is removed; check its disk."
                raise MachineError(what, errno.EIO) from error
            raise

    def _source(self, order: Mapping[str, Any], carried: Mapping[str, Any]) -> Path:
        if carried.get("source"):
            return self.depot.source(carried["attempt"])
        if self._mark is None:
            return Path(order["source"])
        # The name under which the service holds it open means nothing on another machine.
        source = here(order["path"], self._paths)
        if not source.exists():
            where = f"{source} is not on this machine; share its folder, or join with --path"
            raise MachineError(f"{where} {Path(order['path']).parent}=FOLDER.", errno.ENOENT)
        return source

    def _target(self, order: Mapping[str, Any], carried: Mapping[str, Any]) -> Path:
        if carried.get("result"):
            return self.depot.target(carried["attempt"], Path(order["target"]).name)
        return Path(order["target"]) if self._mark is None else here(order["target"], self._paths)

    def _begin(
        self, source: Path, target: Path, order: Mapping[str, Any], on_step: OnStep, cancelled: Callable[[], bool]
    ) -> dict[str, Any]:
        """The plan of a video, or the whole result of anything else."""
        model = str(order["model"])
        options = UpscaleOptions.parse(order["options"])
        upscaler = self._engine.upscaler(model, cancelled, lambda: on_step("downloading", 0, None, None))
        report = _reporter(on_step)
        begun = upscaler.begin(
            source, options, model=model, kept=_kept(order["kept"]), on_progress=report, cancelled=cancelled
        )
        if begun is not None:
            return {"plan": begun.plan.as_dict(), "goes_on": begun.goes_on}
        result = upscaler.upscale(source, target, options, model=model, on_progress=report, cancelled=cancelled)
        outcome = as_outcome(result)
        return {
            "outcome": {
                "model": outcome.model,
                "width": outcome.width,
                "height": outcome.height,
                "frames": outcome.frames,
                "seconds": outcome.seconds,
                "tiled": outcome.tiled,
                "warnings": list(outcome.warnings),
            },
            "bytes": target.stat().st_size,
            # Who reads it where it is has nothing to compare.
            "sha256": sha256_of(target) if order.get("carried") else "",
        }

    def _segment(
        self, source: Path, target: Path, order: Mapping[str, Any], on_step: OnStep, cancelled: Callable[[], bool]
    ) -> dict[str, Any]:
        job_plan: Any = importlib.import_module("seedvr2.farm.job_plan")
        plan = job_plan.JobPlan.from_dict(order["plan"])
        upscaler = self._engine.upscaler(plan.model, cancelled, lambda: on_step("downloading", 0, None, None))
        made = upscaler.make_segments(
            plan,
            [int(order["index"])],
            target,
            source=source,
            on_progress=_reporter(on_step),
            cancelled=cancelled,
        )
        ((unit, done),) = made.units
        # The journal of the job says the same, as soon as the service has taken the segment over.
        unit.record.unlink(missing_ok=True)
        return {
            "frames": done.frames,
            "bytes": done.bytes,
            "sha256": done.sha256,
            "seconds": done.seconds,
            "warnings": list(done.warnings),
        }

    def _gpu(self) -> GpuFacts | None:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        if self._device == PROCESSOR or not cards():
            return None
        return look(visible)

    def _models(self) -> dict[str, str]:
        folder: Any = importlib.import_module("seedvr2.catalogue.folder")
        hashes: Any = importlib.import_module("seedvr2.catalogue.hashes")
        nano: Any = importlib.import_module("seedvr2.nano")
        found = {
            model.name: hashes.known_sha256(model.path) or "" for model in folder.installed_models(self._models_dirs)
        }
        return {**found, nano.NAME: ""}

    def _vae(self) -> str:
        folder: Any = importlib.import_module("seedvr2.catalogue.folder")
        hashes: Any = importlib.import_module("seedvr2.catalogue.hashes")
        try:
            return hashes.known_sha256(folder.find_vae(self._models_dirs)) or ""
        except (ModelNotInstalledError, MachineError):
            return ""


def _reporter(on_step: OnStep) -> Callable[[Any], None]:
    return lambda now: on_step(now.stage, now.frames_done, now.frames_total, now.fraction)


def _kept(kept: Mapping[str, Any] | None) -> Any:
    if kept is None:
        return None
    beginning: Any = importlib.import_module("seedvr2.farm.beginning")
    frozen: Any = importlib.import_module("seedvr2.segments.frozen")
    try:
        plan = frozen.FrozenPlan.from_dict(kept["plan"])
    except (ValueError, TypeError, KeyError, IndexError):
        # Of another version of this program.
        return None
    return beginning.Kept(plan, int(kept["frames"]), bool(kept["retried"]), bool(kept["too_large"]))


def _own_setup() -> dict[str, Any]:
    """That of a machine which has a configuration of its own."""
    config: Any = importlib.import_module("daemon.settings.config")
    places: Any = importlib.import_module("daemon.settings.shelves")
    own = config.load_config()
    models = [str(folder) for folder in places.shelves(own)]
    return engine_setup(own.model, models, "", depot_setup(own.paths.state, own.cluster.cache_gb, own.jobs.min_free_mb))


def engine_setup(
    settings: ModelSettings, models_dirs: list[str], memory_file: str, depot: Mapping[str, Any]
) -> dict[str, Any]:
    """How the engine is set up, as JSON. `depot`: as of `depot_setup`."""
    return {
        "depot": dict(depot),
        "models_dirs": models_dirs,
        "memory_file": memory_file,
        "default": settings.default,
        "device": settings.device if settings.device == PROCESSOR else "auto",
        "dtype": settings.dtype,
        "compile": settings.compile,
        "auto_download": settings.auto_download,
    }


def _free_memory_mb() -> int:
    memory: Any = importlib.import_module("seedvr2.planning.host_memory")
    return int(memory.obtainable()) // MIB
