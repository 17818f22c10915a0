"""What a join looks at before it begins."""

from __future__ import annotations

import errno
import json
from collections import namedtuple
from pathlib import Path

import pytest

from seedvr2.errors import MachineError, MediaError, OptionError
from seedvr2.farm.joining import join
from seedvr2.planning import disk
from tests.seedvr2.farm.conftest import Farm
from tests.seedvr2.farm.jobs import CLIP


def test_all_that_is_wrong_is_named_in_one_sentence(farm: Farm, tmp_path: Path) -> None:
    for name in ("seg-00000", "seg-00001"):
        (farm.parts / name).unlink()
    file = farm.parts / "seg-00002"
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    (farm.parts / "seg-00003.json").unlink()
    with pytest.raises(MediaError) as caught:
        join(farm.plan, farm.parts, tmp_path / "out.mkv")
    assert str(caught.value) == (
        "Of the 4 segments, these cannot be joined (missing: 0-1; damaged: 2; of another plan or without its record: 3)"
        "; make them with `seedvr2 segment` and join again."
    )
    assert not (tmp_path / "out.mkv").exists()


def test_a_record_with_other_frames_than_planned_is_not_believed(farm: Farm, tmp_path: Path) -> None:
    record = farm.parts / "seg-00001.json"
    values = json.loads(record.read_text())
    record.write_text(json.dumps({**values, "frames": values["frames"] + 1}))
    with pytest.raises(MediaError, match=r"damaged: 1\)"):
        join(farm.plan, farm.parts, tmp_path / "out.mkv")


def test_another_source_is_refused_and_the_same_one_elsewhere_is_taken(farm: Farm, tmp_path: Path) -> None:
    other = tmp_path / "other.mkv"
    other.write_bytes(CLIP.read_bytes()[:-1] + b"\1")
    with pytest.raises(MediaError, match=r"other\.mkv has the size, but not the contents, of the file"):
        join(farm.plan, farm.parts, tmp_path / "out.mkv", source=other)
    other.write_bytes(CLIP.read_bytes())
    assert join(farm.plan, farm.parts, tmp_path / "out.mkv", source=other).frames == 10


def test_the_name_must_fit_the_plan_and_be_free(farm: Farm, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"The plan makes mkv; give out\.mp4 a name that ends in \.mkv"):
        join(farm.plan, farm.parts, tmp_path / "out.mp4")
    (tmp_path / "out.mkv").write_bytes(b"mine")
    with pytest.raises(MediaError, match=r"out\.mkv exists already"):
        join(farm.plan, farm.parts, tmp_path / "out.mkv")
    assert (tmp_path / "out.mkv").read_bytes() == b"mine"


def test_a_join_begins_only_where_there_is_room_for_it(
    farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = sum(path.stat().st_size for path in farm.parts.iterdir() if not path.suffix)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _path: usage(10**9, 0, needed - 1))
    with pytest.raises(MachineError, match=r"Joining out\.mkv needs .* on the disk of") as caught:
        join(farm.plan, farm.parts, tmp_path / "out.mkv")
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.glob("*out*")) and len(list(farm.parts.iterdir())) == 8
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _path: usage(10**9, 0, needed))
    assert join(farm.plan, farm.parts, tmp_path / "out.mkv").frames == 10
