"""Do shots come out of windows, and of segments, without seams?

    python -m training.data DIR          # once: fetch the photographs and clips
    python -m benchmarks.stitching DIR   # measure; prints tables in Markdown; --only … for one

Beside nano there are models with the layers of SeedVR2's and random weights, narrow ones: how far a network looks is a
matter of its layers and of how its kernels lie in time, and not of its width.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks.camera import Pixels
from benchmarks.models import dit_file, vae_file
from benchmarks.quality import load
from benchmarks.random_checkpoint import numbers
from seedvr2.model import Model
from seedvr2.network.build import meta_dit, meta_vae
from seedvr2.network.reach import Reach, reach_of
from seedvr2.network.vae import VideoVAE
from seedvr2.pipeline.finishing import StreamSettings
from seedvr2.pipeline.latent_windows import LatentGrid
from seedvr2.pipeline.restore import BatchRestorer, RestoreSettings
from seedvr2.pipeline.sizes import Sizes, plan_sizes
from seedvr2.pipeline.source_frames import SourceFrames
from seedvr2.pipeline.stitching import stitch
from seedvr2.pipeline.stream import restore_stream
from seedvr2.planning.published import DIT_3B, VAE
from seedvr2.selection import NANO, ModelFiles

CLIPS = {"cityCC0.mpg": 116, "bigbuckbunny.mp4": 0, "carphone_pristine.mp4": 0}  # from a frame with no cut behind it
NARROW_VAE = replace(VAE, widths=(16, 32, 64, 64), groups=8)
NARROW_DIT = replace(DIT_3B, dim=512, heads=4, text_channels=64, mlp_dim=1024, shared=(False, False, True, True))
# How large kernels are on earlier frames, beside the present one.
SHARES = (1.0, 0.4, 0.2, 0.1)
LEADS = (1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 18, 20)
EDGE, LATENTS = 32, 26
BATCHES = (5, 13)
# How many frames the last window of a shot has.
LAST = (3, 4, 5, 7, 9, 11, 13)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder of training.data")
    parser.add_argument("--only", choices=("lead", "seams", "random-3b", "last", "cuts", "time"))
    parser.add_argument("--frames", type=int, default=41, help="of each clip (default 41)")
    arguments = parser.parse_args()
    measures = {
        "lead": lead_in,
        "seams": seams,
        "random-3b": seams_3b,
        "last": last_window,
        "cuts": next_to_a_cut,
        "time": overhead,
    }
    for name, measure in measures.items():
        if arguments.only in (None, name):
            for line in measure(arguments.folder, arguments.frames):
                print(line, flush=True)
            print()


def clip_of(folder: Path, name: str, frames: int, height: int = 96) -> Pixels:
    """Frames of a clip, small: (T, H, W, 3)."""
    with av.open(str(folder / "clips" / name)) as container:
        stream = container.streams.video[0]
        width = round(height * stream.width / stream.height / 16) * 16
        decoded = itertools.islice(container.decode(stream), CLIPS[name], CLIPS[name] + frames)
        return np.stack([frame.reformat(width, height, "rgb24").to_ndarray() for frame in decoded])


def random_vae(share: float) -> VideoVAE:
    """The layers of SeedVR2's VAE, narrow, with random numbers: those on earlier frames `share` times as large."""
    vae = meta_vae(NARROW_VAE)
    _randomise(vae)
    for weight in vae.parameters():
        if weight.ndim == 5 and weight.shape[2] == 3:
            weight.data[:, :, :2] *= share
    return vae


def random_model(share: float) -> Model:
    """Four blocks of a narrow 3B with such a VAE."""
    text = numbers("text", (58, NARROW_DIT.text_channels), "float32", 0)
    dit = meta_dit(NARROW_DIT)
    _randomise(dit)
    return Model("random", dit, random_vae(share), text, torch.device("cpu"), torch.float32)


def _randomise(network: nn.Module) -> None:
    network.to_empty(device="cpu").requires_grad_(False)
    for name, tensor in network.state_dict().items():
        tensor.copy_(numbers(name, tuple(tensor.shape), "float32", 0))


def reach(vae: VideoVAE) -> Reach:
    """How far back it looks."""
    weights = vae.state_dict()
    return reach_of(vae.config, weights.__getitem__)


@torch.no_grad()
def lead_in(folder: Path, _frames: int) -> Iterator[str]:
    """What is left of a beginning within a shot, by how many latents before are taken along."""
    yield "| kernels | half | " + " | ".join(f"{lead}" for lead in LEADS) + " | taken |"
    yield "|---" * (len(LEADS) + 3) + "|"
    pixels = clip_of(folder, "bigbuckbunny.mp4", 4 * (LATENTS - 1) + 1)[:, 32 : 32 + EDGE, 48 : 48 + EDGE]
    clip = torch.from_numpy(pixels.copy()).permute(3, 0, 1, 2).float() / 127.5 - 1
    for share in SHARES:
        vae = random_vae(share)
        latent = vae.encode(clip)
        whole = vae.decode(latent)
        begin, errors = LATENTS - 4, dict[str, list[float]](encoder=[], decoder=[])
        for lead in LEADS:
            late = latent.clone()
            late[begin:] = vae.encode(clip[:, 4 * (begin - lead) :])[lead:]
            errors["encoder"].append(_error(vae.decode(late), whole, begin))
            shown = whole.clone()
            shown[:, 4 * begin - 3 :] = vae.decode(latent[begin - lead :])[:, 4 * lead - 3 :]
            errors["decoder"].append(_error(shown, whole, begin))
        taken = reach(vae)
        for half, row in errors.items():
            yield f"| {share:g} | {half} | " + " | ".join(f"{e:.2f}" for e in row) + f" | {getattr(taken, half)} |"


def _error(got: Tensor, whole: Tensor, begin: int) -> float:
    """At the 99.9th percentile, in 255ths of the range that 99.8 % of the values lie in."""
    low, high = np.quantile(whole.numpy(), (0.001, 0.999))
    wrong = (got - whole)[:, 4 * begin - 3 :].abs().numpy()
    return float(np.quantile(wrong, 0.999) / (high - low) * 255)


def seams(folder: Path, frames: int) -> Iterator[str]:
    """The step from frame to frame where batches or windows meet, over that elsewhere.

    As a multiple of what the same places show where all frames are one window, which is the clip's own doing.
    """
    models = {"nano": (load(NANO, "float32"), 64), "random, 0.2": (random_model(0.2), 32)}
    yield from _seams_of(models, folder, frames)


def seams_3b(folder: Path, frames: int) -> Iterator[str]:
    """The same of a 3B of the real size with random weights, which are made where they are missing: 7.5 GB."""
    files = ModelFiles("3B", dit_file("3b", "fp16"), vae_file())
    yield from _seams_of({"random 3B": (load(files, "bfloat16"), 32)}, folder, frames)


def _seams_of(models: dict[str, tuple[Model, int]], folder: Path, frames: int) -> Iterator[str]:
    yield "| model | clip | " + " | ".join(f"{way} {batch}" for batch in BATCHES for way in ("batch", "latent")) + " |"
    yield "|---" * (2 + 2 * len(BATCHES)) + "|"
    for (title, (model, height)), name in itertools.product(models.items(), CLIPS):
        pixels = clip_of(folder, name, frames, height)
        one, plain = restored(model, pixels, frames, "latent")
        cells = []
        for batch in BATCHES:
            grid = LatentGrid.of(reach(model.vae), batch)
            meetings = {
                "batch": range(batch, frames, batch),
                "latent": [grid.begin(number) for number in range(1, frames) if grid.begin(number) < frames],
            }
            for way, borders in meetings.items():
                added = restored(model, pixels, batch, way)[0] - plain
                cells.append(f"{_jump(added, borders) / _jump(one - plain, borders):.2f} ({_flicker(added):.2f})")
        yield f"| {title} | {name} | " + " | ".join(cells) + " |"


def _jump(added: Tensor, borders: Sequence[int]) -> float:
    steps = (added[1:] - added[:-1]).abs().mean((1, 2, 3))
    at = torch.zeros(len(steps), dtype=torch.bool)
    at[[border - 1 for border in borders]] = True
    return float(steps[at].mean() / steps[~at].mean())


def _flicker(added: Tensor) -> float:
    """Levels by which what was added to the resize changes from frame to frame."""
    return float((added[1:] - added[:-1]).abs().mean() * 255)


def restored(
    model: Model, pixels: Pixels, batch: int, way: str, cuts: Sequence[int] = (), *, uniform: bool = False
) -> tuple[Tensor, Tensor]:
    """A shot at twice its size, and the plain resize: (T, h, w, 3) in 0…1. `cuts`: windows with which parts begin."""
    sizes = plan_sizes(pixels.shape[2], pixels.shape[1], 2 * pixels.shape[1], multiple=model.multiple)
    settings, restorer = StreamSettings(sizes, batch_size=batch), BatchRestorer(model, RestoreSettings())
    if way == "batch":
        images = [image for _, image in restore_stream(pixels, _itself, restorer, settings)]
    else:
        grid = LatentGrid.of(reach(model.vae), batch, uniform=uniform)
        edges = [0, *(grid.begin(cut) for cut in cuts), len(pixels)]
        parts = [grid.part(len(pixels), start, stop) for start, stop in itertools.pairwise(edges)]
        images = [
            image
            for part in parts
            for _, image in stitch(iter(pixels[part.needed.start :]), _itself, restorer, settings, part, 0)
        ]
    return torch.stack(images), _plain(model, pixels, sizes)


def _plain(model: Model, pixels: Pixels, sizes: Sizes) -> Tensor:
    frames = SourceFrames(list(pixels), _itself, model.device, sizes).plain
    return torch.stack([frames[index] for index in range(len(pixels))]).permute(0, 2, 3, 1)


def _itself(frame: Pixels) -> Pixels:
    return frame


def last_window(folder: Path, _frames: int) -> Iterator[str]:
    """PSNR of the frames that only the last window of a shot has, by how long it is; nano, ×2, against the original.

    Filled up with mirrored frames, as it is, and where all frames of the shot are one window.
    """
    yield "| clip | " + " | ".join(f"{frames}" for frames in LAST) + " |"
    yield "|---" * (1 + len(LAST)) + "|"
    model, batch = load(NANO, "float32"), BATCHES[-1]
    grid = LatentGrid.of(reach(model.vae), batch)
    begin = grid.begin(1)
    for name in CLIPS:
        original = clip_of(folder, name, begin + LAST[-1], 128)
        small = np.stack([np.asarray(Image.fromarray(frame).reduce(2)) for frame in original])
        cells = []
        for frames in LAST:
            shot, alone = small[: begin + frames], slice(begin + grid.overlap * grid.factor, begin + frames)
            ways = (batch, False), (batch, True), (len(shot), False)
            truth = torch.from_numpy(original[alone].copy()) / 255
            found = [restored(model, shot, size, "latent", uniform=uniform)[0][alone] for size, uniform in ways]
            cells.append(" / ".join(f"{-10 * float((each - truth).square().mean().log10()):.2f}" for each in found))
        yield f"| {name} | " + " | ".join(cells) + " |"


def next_to_a_cut(folder: Path, _frames: int) -> Iterator[str]:
    """The first frame after a cut against that of the shot alone, by how many levels at the most."""
    yield "| model | first frame after a cut, levels from the shot alone |"
    yield "|---|---|"
    first, second = (clip_of(folder, name, 13, 48) for name in ("bigbuckbunny.mp4", "carphone_pristine.mp4"))
    second = second[:, :, : first.shape[2]]
    for title, model in {"nano": load(NANO, "float32"), "random, 0.2": random_model(0.2)}.items():
        alone, _ = restored(model, second, 5, "latent")
        sizes = plan_sizes(second.shape[2], second.shape[1], 2 * second.shape[1], multiple=model.multiple)
        grid, settings = LatentGrid.of(reach(model.vae), 5), StreamSettings(sizes)
        items, restorer = iter([*first[:, :, : second.shape[2]], *second]), BatchRestorer(model, RestoreSettings())
        images = [
            image
            for frames in (len(first), len(second))
            for _, image in stitch(items, _itself, restorer, settings, grid.part(frames, 0, frames), 0)
        ]
        apart = (torch.stack(images[len(first) :]) - alone).abs().max()
        yield f"| {title} | {float(apart) * 255:.3f} |"


def overhead(folder: Path, frames: int) -> Iterator[str]:
    """Seconds of processor for a shot: in batches, in windows, and in windows and two parts."""
    yield "| model | batches | latent, one part | latent, two parts | apart, levels at 99.9 % |"
    yield "|---|---|---|---|---|"
    pixels = np.concatenate([clip_of(folder, "bigbuckbunny.mp4", frames, 96)] * 2)
    for title, model in {"nano": load(NANO, "float32")}.items():
        restored(model, pixels[:10], 5, "latent")
        times, results = [], []
        middle = LatentGrid.of(reach(model.vae), 5).number(len(pixels) / 2)
        for way, cuts in (("batch", ()), ("latent", ()), ("latent", (middle,))):
            begun = time.process_time()
            results.append(restored(model, pixels, 5, way, cuts)[0])
            times.append(time.process_time() - begun)
        apart = np.quantile((results[1] - results[2]).abs().numpy(), 0.999) * 255
        yield f"| {title} | " + " | ".join(f"{each:.1f}" for each in times) + f" | {apart:.3f} |"


if __name__ == "__main__":
    main()
