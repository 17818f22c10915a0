"""What a machine that joins is told of the folders of the daemon, and of those that it needs itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daemon.cluster.share import Mark, PathMapping, leave_mark
from daemon.errors import ClusterError
from daemon.machines.join_file import JoinFile, read_join_file
from daemon.machines.preflight import check_machine
from daemon.settings.config import Config
from tests.daemon.conftest import make_config


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    (tmp_path / "run").mkdir()
    return make_config(tmp_path / "own", SEEDVR2_CLUSTER_CACHE_GB="20")


def joining(share: str, *marks: Mark) -> JoinFile:
    return JoinFile("studio-2", "192.0.2.10", 8210, 10.0, "", "", "", "", {}, {}, marks, share)


def said(file: JoinFile, config: Config, *mappings: PathMapping) -> list[str]:
    sentences = list(check_machine(file, config, mappings, "0"))
    return [sentence for sentence in sentences if "shared" in sentence]


def test_folders_that_are_not_shared_are_no_error_but_where_they_have_to_be(tmp_path: Path, config: Config) -> None:
    (tmp_path / "outputs").mkdir()
    here, away = leave_mark(tmp_path / "outputs"), Mark("/srv/inbox", "0" * 32)
    both = said(joining("auto", here, away), config)
    folder = config.paths.state / "place"
    assert both[0] == f"{here.folder} of the daemon is shared, and can be written to."
    assert both[1].startswith(f"/srv/inbox of the daemon is not shared: sources are sent here, up to 20 GB are kept in "
                              f"{folder}, ")  # fmt: skip
    assert said(joining("auto", here), config) == both[:1]
    (sentence,) = said(joining("never", here, away), config)
    assert "No folder of the daemon is shared" in sentence and str(folder) in sentence
    with pytest.raises(ClusterError, match="--path /srv/inbox=FOLDER"):
        said(joining("always", here, away), config)
    # Who only looks makes nothing.
    assert not folder.exists()


def test_where_nothing_can_be_kept_it_is_said(tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    file = joining("auto", Mark("/srv/outputs", "0" * 32))
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda _path, _mode: False)
        with pytest.raises(ClusterError, match="cannot be written to, and sources are to be kept in"):
            said(file, config)
    full = make_config(tmp_path / "full", SEEDVR2_JOBS_MIN_FREE_MB=str(1 << 40))
    with pytest.raises(ClusterError, match="for copies of sources, has"):
        said(file, full)


def test_a_file_of_before_asks_for_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "studio-2.join"
    text = joining("auto").text()
    assert '"share": "auto"' in text
    file.write_text(text.replace(',\n "share": "auto"', ""))
    file.chmod(0o600)
    assert read_join_file(file).share == "auto"
    file.write_text(text.replace('"auto"', '"maybe"'))
    with pytest.raises(ClusterError, match="make it anew"):
        read_join_file(file)
