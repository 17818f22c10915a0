"""Only what this product fetched is removed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seedvr2.catalogue.fetched import note_fetched, was_fetched
from seedvr2.catalogue.remove import removable, remove
from seedvr2.errors import ModelNotInstalledError, NotOursError

NAME = "seedvr2_ema_3b-Q6_K.gguf"


def file(path: Path, content: bytes = b"weights") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_what_was_fetched_goes_and_anything_else_stays(tmp_path: Path) -> None:
    ours, theirs = file(tmp_path / NAME), file(tmp_path / "mine.gguf")
    note_fetched(ours)
    assert removable("3b-q6", tmp_path) == ours
    assert remove(ours, tmp_path) == 7
    assert not ours.exists()
    with pytest.raises(NotOursError, match=r"mine\.gguf was not fetched by this program"):
        remove(removable("mine.gguf", tmp_path), tmp_path)
    assert theirs.exists()
    assert remove(theirs, tmp_path, force=True) == 7
    with pytest.raises(ModelNotInstalledError, match="no 3b-q6 to be removed"):
        removable("3b-q6", tmp_path)
    with pytest.raises(NotOursError, match="comes with this program"):
        removable("nano", tmp_path)


def test_a_file_that_was_put_in_place_of_a_fetched_one_is_somebody_elses(tmp_path: Path) -> None:
    path = file(tmp_path / NAME)
    note_fetched(path)
    assert was_fetched(path)
    os.utime(path, (1, 1))
    assert not was_fetched(path)
    link = tmp_path / "link.gguf"
    link.symlink_to(path)
    note_fetched(link)
    assert not was_fetched(link)


def test_nothing_in_a_folder_of_another_program_is_removed_even_by_force(tmp_path: Path) -> None:
    path = file(tmp_path / "ComfyUI/models/diffusion_models" / NAME)
    with pytest.raises(NotOursError, match="folder of another program"):
        remove(removable(NAME, [tmp_path / "ComfyUI/models"]), [tmp_path / "ComfyUI/models"], force=True)
    assert path.exists()


def test_no_name_leads_out_of_the_folders(tmp_path: Path) -> None:
    file(tmp_path / "secret.gguf")
    with pytest.raises(ModelNotInstalledError):
        removable("../secret.gguf", tmp_path / "models")
