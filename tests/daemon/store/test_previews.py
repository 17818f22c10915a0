from __future__ import annotations

import time
from pathlib import Path

from daemon.store.previews import Previews
from tests.daemon.conftest import eventually


def filled(previews: Previews, size: int = 10) -> Path:
    path = previews.begin()
    (path / "sheet.png").write_bytes(bytes(size))
    return path


def test_an_earlier_runs_previews_go_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "0123456789abcdef").mkdir()
    (tmp_path / "0123456789abcdef" / "sheet.png").write_bytes(b"x")
    (tmp_path / "notes").mkdir()
    previews = Previews(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]
    assert previews.find("notes", "sheet.png") is None


def test_an_image_is_found_as_long_as_it_is_kept(tmp_path: Path) -> None:
    previews = Previews(tmp_path / "previews", kept_s=0.2)
    path = filled(previews)
    assert previews.keep(path) == 0.2
    assert previews.find(path.name, "sheet.png") == path / "sheet.png"
    assert previews.find(path.name, "other.png") is None
    assert previews.find(path.name, "../../secret.png") is None
    # By itself, with nobody asking.
    eventually(lambda: not path.exists())
    assert previews.find(path.name, "sheet.png") is None


def test_one_that_is_being_made_stays_and_one_that_failed_goes(tmp_path: Path) -> None:
    previews = Previews(tmp_path, kept_s=0.0)
    path = filled(previews)
    time.sleep(0.01)
    previews.tidy()
    assert path.exists()
    previews.drop(path)
    assert not path.exists()


def test_the_oldest_go_where_there_is_too_much(tmp_path: Path) -> None:
    previews = Previews(tmp_path, most_bytes=250)
    paths = []
    for _ in range(4):
        paths.append(filled(previews, 100))
        previews.keep(paths[-1])
    assert [path.exists() for path in paths] == [False, False, True, True]
    large = filled(previews, 1000)
    previews.keep(large)
    assert [path.exists() for path in (*paths, large)] == [False] * 4 + [True]
