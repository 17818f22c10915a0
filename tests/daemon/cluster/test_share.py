"""A folder is shared where the mark in it reads the same, whatever its path is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daemon.cluster.share import MARK, Mark, PathMapping, as_variable, here, is_shared, leave_mark, mappings_of
from daemon.errors import ClusterError


def test_a_mark_is_found_through_a_mapping(tmp_path: Path) -> None:
    there, mounted = tmp_path / "outputs", tmp_path / "mnt"
    there.mkdir()
    mark = leave_mark(there)
    assert leave_mark(there) == mark and len(mark.nonce) == 32
    mounted.symlink_to(there)
    elsewhere = Mark("/srv/outputs", mark.nonce)
    assert is_shared(mark, ()) and not is_shared(elsewhere, ())
    assert is_shared(elsewhere, [PathMapping.parse(f"/srv/outputs={mounted}")])
    assert is_shared(elsewhere, [PathMapping.parse(f"/srv={tmp_path}")], writable=True)
    # A folder of the same name on another machine is another folder.
    (there / MARK).write_text("0" * 32)
    assert not is_shared(mark, ()) and leave_mark(there).nonce == "0" * 32
    (there / MARK).write_text("damaged")
    assert len(leave_mark(there).nonce) == 32


def test_a_folder_that_may_only_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = leave_mark(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    assert is_shared(mark, ()) and not is_shared(mark, (), writable=True)


def test_the_longest_mapping_counts() -> None:
    mappings = [PathMapping.parse(each) for each in ("/srv=/mnt/a", "/srv/out=/mnt/b", "/srv/outer=/mnt/c")]
    assert here("/srv/out/x/y", mappings) == Path("/mnt/b/x/y") and here("/srv/out", mappings) == Path("/mnt/b")
    assert here("/srv/outside/x", mappings) == Path("/mnt/a/outside/x") and here("/var/x", mappings) == Path("/var/x")
    assert mappings_of({"SEEDVR2D_PATHS": as_variable(mappings)}) == tuple(mappings) and mappings_of({}) == ()


@pytest.mark.parametrize("text", ["", "/a", "a=/b", "/a=b", "=/b"])
def test_what_is_no_mapping(text: str) -> None:
    with pytest.raises(ClusterError, match="two whole paths"):
        PathMapping.parse(text)
