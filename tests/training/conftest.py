"""A folder of packed pictures as `training.data` makes it, from rendered scenes."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.seedvr2.nano.scene import scene
from training.data import pack
from training.degrade import to_pixels


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    pictures = []
    # `held_out` goes by name: of these twelve, some are held out and most are not.
    for index in range(12):
        path = folder / f"{index}.png"
        Image.fromarray(to_pixels(scene(400, 440, index)[None])[0]).save(path)
        pictures.append((f"scene/{index}", path))
    pack(pictures, folder)
    return folder
