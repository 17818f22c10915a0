from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.data import Photographs, held_out, pack, shrink


def test_every_picture_is_either_learned_from_or_held_out(folder: Path) -> None:
    learned, kept = (Photographs(folder, held_out=flag) for flag in (False, True))
    names = {entry.name for entry in learned.entries}, {entry.name for entry in kept.entries}
    assert names[0] | names[1] == {f"scene/{index}" for index in range(12)}
    assert not names[0] & names[1]
    assert len(learned) > 0
    assert len(kept) > 0


def test_packed_pictures_are_the_shrunk_originals(folder: Path) -> None:
    photographs = Photographs(folder, held_out=False)
    number = photographs.entries[3].name.split("/")[1]
    np.testing.assert_array_equal(photographs.picture(3), shrink(Image.open(folder / f"{number}.png")))


def test_crops_come_from_the_pictures_and_repeat_with_the_seed(folder: Path) -> None:
    photographs = Photographs(folder, held_out=False)
    crops = [photographs.crop(np.random.default_rng(5), 40, 64) for _ in range(2)]
    np.testing.assert_array_equal(crops[0], crops[1])
    assert crops[0].shape == (40, 64, 3)
    with pytest.raises(ValueError, match="No picture is as large"):
        photographs.crop(np.random.default_rng(0), 5000, 5000)


def test_large_pictures_shrink_to_the_long_edge_and_small_ones_are_left_out(tmp_path: Path) -> None:
    large, small = tmp_path / "large.png", tmp_path / "small.png"
    Image.new("RGB", (4400, 600), "red").save(large)
    Image.new("RGB", (310, 310), "blue").save(small)
    (entry,) = pack([("large", large), ("small", small)], tmp_path)
    assert (entry.name, entry.width, entry.height) == ("large", 1467, 200)


def test_what_is_held_out_never_changes() -> None:
    assert held_out("scratch/Media/Backgrounds/Nature/lake.jpg")
    assert not held_out("scratch/Media/Backgrounds/Nature/wave.jpg")
