"""Every case by name: what `make bench-all` measures, and which of it `make bench` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks import service
from benchmarks.jobs import Job
from benchmarks.networks import Network
from benchmarks.parts import Part

PRECISIONS = ("fp16", "fp8_e4m3fn", "Q8_0", "Q4_K_M")
HD = (720, 1280)
# Sources that are doubled: width and height; results of 0.1 to 8 megapixels.
_PIXELS = {"0.1": (192, 128), "0.4": (384, 256), "1.6": (768, 512), "3.5": (1152, 768), "8": (1728, 1152)}
_FRAMES = (5, 17, 65, 257)


@dataclass(frozen=True, slots=True)
class Case:
    """One measurement.

    Attributes:
        measure: its figures; heavy work is in child processes, so that peaks and caches of one do not show in another.
        quick: whether `make bench` has it too.
        network: what it measures, where that is a network alone; those can be compared with another commit.
    """

    name: str
    measure: Callable[[], dict[str, Any]]
    quick: bool = False
    network: Network | None = None


def all_cases() -> dict[str, Case]:
    """The cases in the order in which they run."""
    return {case.name: case for family in (_parts, _vae, _transformers, _jobs, _scaling) for case in family()}


def selected(names: list[str]) -> list[Case]:
    """The cases of these names; a name stands for all that begin with its words (`3b`, `vae-1x384`).

    Raises:
        ValueError: there is none of a name.
    """
    cases = all_cases()
    chosen: dict[str, Case] = {}
    for name in names:
        found = {key: case for key, case in cases.items() if f"{key}-".startswith(f"{name}-")}
        if not found:
            raise ValueError(f"There is no case {name!r}; see --list.")
        chosen |= found
    return list(chosen.values())


def _parts() -> Iterator[Case]:
    yield Case("resize-720p", Part("resize").measure, quick=True)
    yield Case("lab-1080p", Part("lab").measure, quick=True)
    yield Case("start-engine", Part("start").measure, quick=True)
    yield Case("load-3b-Q4_K_M", Part("load", ("Q4_K_M",)).measure, quick=True)
    yield Case("service", service.measure, quick=True)


def _vae() -> Iterator[Case]:
    for frames, edge, runs in ((1, 384, 3), (1, 512, 3), (5, 256, 2), (17, 256, 1)):
        for stage in ("encode", "decode"):
            network = Network(stage, (frames, edge, edge), runs=runs)
            yield _of(f"vae-{frames}x{edge}-{stage}", network, quick=(frames, edge) in ((1, 384), (5, 256)))


def _transformers() -> Iterator[Case]:
    for params in ("3b", "7b"):
        for precision in PRECISIONS:
            for latents in (1, 2):
                network = Network("transformer", (4 * latents - 3, *HD), params, precision, runs=1)
                quick = params == "3b" and latents == 1 and precision in ("fp16", "Q4_K_M")
                yield _of(f"{params}-{precision}-720p-{latents}", network, quick=quick)


def _jobs() -> Iterator[Case]:
    jobs = {
        "nano-clip": Job((640, 360), 25, 720),
        "3b-picture": Job((256, 256), 1, 1080, "fp16"),
        "3b-clip": Job((160, 96), 17, 384, "fp16"),
    }
    for name, job in jobs.items():
        yield Case(f"job-{name}-cli", job.measure, quick=name == "nano-clip")
        served = Job(job.size, job.frames, job.resolution, job.precision, service=True)
        yield Case(f"job-{name}-service", served.measure)
    for frames in (50, 500):
        yield Case(f"memory-{frames}", Job((160, 90), frames, 144).measure, quick=frames == 50)


def _scaling() -> Iterator[Case]:
    for dtype in ("auto", "float32", "bfloat16"):
        yield Case(f"nano-720p-{dtype}", _upscale("nano", 10, (640, 360), 720, dtype), quick=dtype == "auto")
    yield Case("share-3b-384", _upscale("fp16", 1, (96, 96), 384))
    for frames in _FRAMES:
        yield Case(f"frames-{frames}", _upscale("nano", frames, (160, 90), 144), quick=frames in (17, 65))
    for megapixels, size in _PIXELS.items():
        yield Case(f"pixels-{megapixels}", _upscale("nano", 1, size, 2 * size[1]), quick=megapixels in ("0.4", "1.6"))


def _of(name: str, network: Network, *, quick: bool) -> Case:
    return Case(name, network.measure, quick, network)


def _upscale(
    model: str, frames: int, size: tuple[int, int], resolution: int, dtype: str = "auto"
) -> Callable[[], dict[str, Any]]:
    return Part("upscale", (model, *map(str, (frames, *size, resolution)), dtype)).measure
