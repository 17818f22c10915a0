"""Is nano better than a resize? Held-out photographs and clips, degraded, through the product's own pipeline.

    python -m training.data DIR           # once: fetch the photographs
    python -m benchmarks.quality DIR      # measure; prints tables in Markdown

Everything runs as a job would: 8-bit source, bicubic resize, encoder, one step, decoder, colour correction. The
originals are held-out pictures at half size, centre crops of 352 pixels; the degradations have fixed seeds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from seedvr2.checkpoint.convert import convert
from seedvr2.model import Model, choose_dtype, load_model
from seedvr2.network.tiling import Tiling
from seedvr2.options import COLOR_CORRECTIONS
from seedvr2.pipeline.finishing import StreamSettings
from seedvr2.pipeline.preprocess import bicubic
from seedvr2.pipeline.restore import BatchRestorer, RestoreSettings
from seedvr2.pipeline.sizes import plan_sizes
from seedvr2.pipeline.stream import restore_stream
from seedvr2.selection import NANO, ModelFiles
from training.data import CLIPS, Photographs
from training.degrade import blur, degrade, from_pixels, gaussian, h264, jpeg, quantise, shrink, to_pixels
from training.measures import flicker, gmsd, psnr, sharpness, ssim

EDGE = 352
CLIP_FRAMES = 20
CLIP_KINDS = ("photo", "noise")
FACTORS = (2, 4)
FORMS = {"fp8_e4m3fn": ".safetensors", "Q8_0": ".gguf", "Q4_K_M": ".gguf"}
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
SOFTNESSES = (0.0, 0.5, 1.0)
RESTRAINT_KINDS = ("clean", "photo", "noise", "JPEG 50")
SMALL_TILES = Tiling((128, 128), (32, 32))

Degradation = Callable[[int, Tensor, tuple[int, int]], Tensor]
Upscale = Callable[[Tensor, tuple[int, int]], Tensor]
Measure = Callable[[Tensor, Tensor], float]
Scores = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Case:
    """A degraded source and its original, (T, 3, H, W) in 0…1."""

    name: str
    source: Tensor
    original: Tensor


def _clean(_seed: int, clip: Tensor, size: tuple[int, int]) -> Tensor:
    return shrink(clip, size, "bicubic")


def _blurred(_seed: int, clip: Tensor, size: tuple[int, int]) -> Tensor:
    sigma = 0.6 * clip.shape[2] / size[0]
    return shrink(blur(sigma, sigma, 0.0)(clip), size, "bicubic")


def _noisy(seed: int, clip: Tensor, size: tuple[int, int]) -> Tensor:
    small = shrink(clip, size, "bicubic")
    return small + gaussian(small, 8 / 255, torch.Generator().manual_seed(seed))


def _photo(seed: int, clip: Tensor, size: tuple[int, int]) -> Tensor:
    """What an ordinary camera and an ordinary save leave: a little blur and noise, then JPEG."""
    rng = np.random.default_rng([seed, 1])
    sigma = float(rng.uniform(0.01, 0.5)) * clip.shape[2] / size[0]
    small = shrink(blur(sigma, sigma, 0.0)(clip), size, "area")
    small = small + gaussian(small, float(rng.uniform(0, 6)) / 255, torch.Generator().manual_seed(seed))
    return jpeg(small, int(rng.integers(50, 96)))


def _mixed(seed: int, clip: Tensor, size: tuple[int, int]) -> Tensor:
    return degrade(np.random.default_rng([seed, 2]), clip, size).clip


DEGRADATIONS: dict[str, Degradation] = {
    "clean": _clean,
    "blur": _blurred,
    "noise": _noisy,
    "JPEG 50": lambda _seed, clip, size: jpeg(shrink(clip, size, "bicubic"), 50),
    "H.264": lambda _seed, clip, size: h264(shrink(clip, size, "bicubic"), 26),
    "photo": _photo,
    "mixed": _mixed,
}


def picture_cases(folder: Path, factor: int, kinds: Iterable[str], limit: int) -> Iterator[tuple[str, Case]]:
    """(degradation, case) of each held-out photograph."""
    photographs = Photographs(folder, held_out=True)
    for index in range(min(limit, len(photographs))):
        picture = photographs.picture(index)
        height, width = (min(EDGE, edge) // 16 * 16 for edge in picture.shape[:2])
        top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
        original = from_pixels(picture[None, top : top + height, left : left + width].copy())
        for kind in kinds:
            small = quantise(DEGRADATIONS[kind](index, original, (height // factor, width // factor)))
            yield kind, Case(photographs.entries[index].name, small, original)


def clip_cases(folder: Path, factor: int, kind: str) -> Iterator[Case]:
    """The clips, each halved first, so that what their own compression left is sharp."""
    for index, name in enumerate(CLIPS):
        with av.open(str(folder / "clips" / name)) as container:
            frames = [
                frame.to_ndarray(format="rgb24") for frame in islice(container.decode(video=0), 10, 10 + CLIP_FRAMES)
            ]
        halved = [np.asarray(Image.fromarray(frame).reduce(2 if frame.shape[0] > 200 else 1)) for frame in frames]
        height, width = (min(2 * EDGE, edge) // 16 * 16 for edge in halved[0].shape[:2])
        original = from_pixels(np.stack(halved)[:, :height, :width].copy())
        small = quantise(DEGRADATIONS[kind](index, original, (height // factor, width // factor)))
        yield Case(name, small, original)


def nano(
    model: Model,
    colour: str = "lab",
    tiling: Tiling | None = None,
    batch_size: int = 5,
    strength: float = 1.0,
    softness: float = 0.0,
) -> Upscale:
    """nano as a job runs it."""

    def upscale(source: Tensor, size: tuple[int, int]) -> Tensor:
        height, width = size
        sizes = plan_sizes(source.shape[3], source.shape[2], min(size), multiple=model.multiple)
        assert sizes.output == (width, height)
        restorer = BatchRestorer(model, RestoreSettings(tiling=tiling))
        settings = StreamSettings(
            sizes, batch_size=batch_size, color_correction=colour, strength=strength, softness=softness
        )
        results = restore_stream(to_pixels(source), lambda frame: frame, restorer, settings)
        return quantise(torch.stack([image for _, image in results]).permute(0, 3, 1, 2))

    return upscale


def resize(source: Tensor, size: tuple[int, int]) -> Tensor:
    """The bicubic resize that the pipeline itself starts from."""
    return quantise(bicubic(source, (size[1], size[0])))


def lanczos(source: Tensor, size: tuple[int, int]) -> Tensor:
    """Pillow's Lanczos."""
    frames = [Image.fromarray(f).resize(size[::-1], Image.Resampling.LANCZOS) for f in to_pixels(source)]
    return from_pixels(np.stack([np.asarray(frame) for frame in frames]))


MEASURES: dict[str, Measure] = {"PSNR": psnr, "SSIM": ssim, "GMSD": gmsd}


def score(upscale: Upscale, case: Case, measures: dict[str, Measure] = MEASURES) -> dict[str, float]:
    """Every measure of one result; clips also flicker."""
    result = upscale(case.source, (case.original.shape[2], case.original.shape[3]))
    found = {name: measure(result, case.original) for name, measure in measures.items()}
    if len(case.original) > 1:
        found["flicker"] = flicker(result, case.original)
    return found


def compare(
    cases: Iterable[tuple[str, Case]], methods: dict[str, Upscale], measures: dict[str, Measure] = MEASURES
) -> dict[str, dict[str, Scores]]:
    """Scores by group, method and measure."""
    found: dict[str, dict[str, Scores]] = defaultdict(lambda: {name: defaultdict(list) for name in methods})
    for group, case in cases:
        for name, upscale in methods.items():
            for measure, value in score(upscale, case, measures).items():
                found[group][name][measure].append(value)
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def table(title: str, found: dict[str, dict[str, Scores]], against: tuple[str, ...] = ("bicubic", "Lanczos")) -> str:
    """A Markdown table: the mean of every measure, then nano's gain over the better of `against` in PSNR."""
    first = next(iter(found.values()))
    measures = list(next(iter(first.values())))
    heads = [f"{measure} {method}" for measure in measures for method in first]
    lines = [f"| {title} | {' | '.join(heads)} | gain, dB | better |", "|---" * (len(heads) + 3) + "|"]
    for group, methods in found.items():
        cells = [_number(np.mean(methods[m][measure]), measure) for measure in measures for m in first]
        own = np.array(methods["nano"]["PSNR"])
        rivals = [np.array(methods[name]["PSNR"]) for name in against]
        gain = min(float((own - rival).mean()) for rival in rivals)
        better = float((own > np.max(rivals, axis=0)).mean())
        lines.append(f"| {group} | {' | '.join(cells)} | {gain:+.2f} | {better:.0%} |")
    return "\n".join(lines)


def _number(value: float | np.floating, measure: str) -> str:
    return f"{value:.2f}" if measure in ("PSNR", "flicker", "sharpness") else f"{value:.4f}"


def one_line_each(title: str, found: dict[str, Scores], reference: str) -> str:
    """A Markdown table of one row a variant, with the distance to `reference`."""
    lines = [f"| {title} | PSNR | SSIM | GMSD | PSNR against {reference} |", "|---|---|---|---|---|"]
    base = np.mean(found[reference]["PSNR"])
    for name, scores in found.items():
        cells = " | ".join(_number(np.mean(scores[measure]), measure) for measure in MEASURES)
        lines.append(f"| {name} | {cells} | {np.mean(scores['PSNR']) - base:+.2f} |")
    return "\n".join(lines)


def load(files: ModelFiles, dtype: str) -> Model:
    """The networks of those files, on the CPU."""
    cpu = torch.device("cpu")
    return load_model(files, models_dir=Path(), device=cpu, dtype=choose_dtype(dtype, cpu))


def measure_forms(folder: Path, files: ModelFiles, limit: int, dtype: str) -> str:
    """Each quantised form, made on the spot, against float16."""
    with tempfile.TemporaryDirectory() as temporary:
        methods = {"fp16": nano(load(files, dtype))}
        for precision, suffix in FORMS.items():
            path = Path(temporary) / f"nano_{precision}{suffix}"
            convert(files.dit, path, precision)
            methods[precision] = nano(load(replace(files, dit=path), dtype))
        found = compare(picture_cases(folder, 2, ["mixed"], limit), methods)["mixed"]
    return one_line_each("weights", found, "fp16")


def measure_variants(folder: Path, model: Model, limit: int) -> str:
    """Tiles and colour corrections against the default."""
    methods = {"lab": nano(model), "lab, tiles of 128": nano(model, tiling=SMALL_TILES)}
    methods["lab, matched by rank"] = nano(_with_drift(model))
    methods |= {name: nano(model, name) for name in COLOR_CORRECTIONS if name != "lab"}
    found = compare(picture_cases(folder, 2, ["mixed"], limit), methods)["mixed"]
    return one_line_each("colour correction", found, "lab")


def measure_restraint(folder: Path, model: Model, limit: int) -> str:
    """How near to the original, and how sharp, results of each strength and softness are."""
    methods = {f"strength {strength:g}": nano(model, strength=strength) for strength in STRENGTHS}
    methods |= {f"softness {softness:g}": nano(model, softness=softness) for softness in SOFTNESSES if softness}
    measures: dict[str, Measure] = {"PSNR": psnr, "SSIM": ssim, "sharpness": sharpness}
    found = compare(picture_cases(folder, 2, RESTRAINT_KINDS, limit), methods, measures)
    heads = " | ".join(f"{measure} {kind}" for kind in found for measure in measures)
    lines = [f"| ×2 | {heads} |", "|---" * (len(found) * len(measures) + 1) + "|"]
    for name in methods:
        values = (_number(np.mean(found[kind][name][measure]), measure) for kind in found for measure in measures)
        lines.append(f"| {name} | {' | '.join(values)} |")
    return "\n".join(lines)


def _with_drift(model: Model) -> Model:
    """The same model, corrected as one whose colours drift."""
    vae = copy(model.vae)
    vae.config = replace(vae.config, keeps_colours=False)
    return replace(model, vae=vae)


def before_after(folder: Path, model: Model, target: Path, shown: dict[str, str]) -> None:
    """A picture of held-out crops: what came in (bicubic), what nano makes of it, the original.

    `shown` has the degradation of each picture, by a part of its name.
    """
    rows = []
    for kind, case in picture_cases(folder, 2, sorted(set(shown.values())), 10**6):
        if any(name in case.name and kind == wanted for name, wanted in shown.items()):
            size = (case.original.shape[2], case.original.shape[3])
            versions = (resize(case.source, size), nano(model)(case.source, size), case.original)
            rows.append(np.concatenate([to_pixels(v)[0][60:240, 60:300] for v in versions], axis=1))
    Image.fromarray(np.concatenate(rows)).resize((1440, 360 * len(rows)), Image.Resampling.NEAREST).save(target)


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where training.data put the photographs")
    parser.add_argument("--weights", type=Path, default=NANO.dit.parent, help="folder of nano's files (as shipped)")
    parser.add_argument("--pictures", type=int, default=1000, help="stop after so many")
    parser.add_argument("--dtype", default="auto", help="what the networks compute in")
    parser.add_argument(
        "--only", choices=("pictures", "clips", "forms", "variants", "restraint"), help="one table only"
    )
    parser.add_argument("--picture", type=Path, help="also write a before/after picture here")
    arguments = parser.parse_args()
    folder, limit = arguments.folder, arguments.pictures
    files = ModelFiles(NANO.name, arguments.weights / NANO.dit.name, arguments.weights / NANO.vae.name)
    model = load(files, arguments.dtype)
    rivals: dict[str, Upscale] = {"bicubic": resize, "Lanczos": lanczos}
    wanted = [arguments.only] if arguments.only else ["pictures", "clips", "forms", "variants", "restraint"]
    for factor in FACTORS:
        if "pictures" in wanted:
            cases = picture_cases(folder, factor, DEGRADATIONS, limit)
            print(table(f"photographs, ×{factor}", compare(cases, rivals | {"nano": nano(model)})) + "\n", flush=True)
    if "clips" in wanted:
        methods = rivals | {"frame by frame": nano(model, batch_size=1), "nano": nano(model)}
        clips = ((f"{case.name}, {kind}", case) for kind in CLIP_KINDS for case in clip_cases(folder, 2, kind))
        print(table("clips, ×2", compare(clips, methods)) + "\n", flush=True)
    if "forms" in wanted:
        print(measure_forms(folder, files, limit, arguments.dtype) + "\n", flush=True)
    if "variants" in wanted:
        print(measure_variants(folder, model, limit) + "\n", flush=True)
    if "restraint" in wanted:
        print(measure_restraint(folder, model, limit) + "\n", flush=True)
    if arguments.picture:
        before_after(folder, model, arguments.picture, {"space1": "photo", "loc1": "noise", "Wine": "blur"})


if __name__ == "__main__":
    main()
