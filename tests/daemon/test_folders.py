"""What a start does to the folders that it is given: nothing, unless they are its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.errors import ConfigError, StoreError
from daemon.service import Service
from tests.daemon.conftest import PATIENCE_S, Start, eventually, make_config, picture, png
from tests.daemon.executors import FakeExecutor


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below, with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def start_refused(folder: Path, **environment: str) -> str:
    """The sentence with which a real process refuses to start."""
    paths = {f"SEEDVR2_PATHS_{name.upper()}": str(folder / name) for name in ("inbox", "outputs", "state", "models")}
    ended = subprocess.run(
        [sys.executable, "-m", "daemon"],
        env={name: text for name, text in os.environ.items() if not name.startswith("SEEDVR2_")}
        | paths
        | {"PORT": "0"}
        | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("seedvr2d: ")]
    assert "Traceback" not in ended.stderr
    return line


@pytest.mark.parametrize("which", ["films", "outputs", "inbox", "models", "inbox/sub", "outputs/sub", "models/sub"])
def test_uploads_in_a_folder_of_somebody_else_are_refused(tmp_path: Path, which: str) -> None:
    for name in ("films", "inbox/_done", "outputs", "models", which):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / name / "two.mp4").write_bytes(b"film")
    before = tree(tmp_path)
    sentence = start_refused(tmp_path, SEEDVR2_PATHS_UPLOADS=str(tmp_path / which))
    assert "paths.uploads" in sentence
    after = tree(tmp_path)
    assert {name: after.get(name) for name in before} == before


def test_two_names_of_one_folder_are_noticed(tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    (tmp_path / "models").symlink_to(tmp_path / "outputs")
    assert "same folder" in start_refused(tmp_path)


@pytest.mark.parametrize(
    "pair", [("outputs", "state"), ("models", "outputs"), ("models", "state"), ("inbox", "models")]
)
def test_one_folder_for_two_things_is_refused(tmp_path: Path, pair: tuple[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"Give each its own|taken as new ones"):
        make_config(tmp_path, **{f"SEEDVR2_PATHS_{name.upper()}": str(tmp_path / "one") for name in pair})


def test_models_may_lie_in_the_state_folder_and_uploads_too(tmp_path: Path) -> None:
    make_config(
        tmp_path,
        SEEDVR2_PATHS_MODELS=str(tmp_path / "state" / "models"),
        SEEDVR2_PATHS_UPLOADS=str(tmp_path / "state" / "sent"),
    )


def test_a_folder_of_its_own_is_used_and_kept(start: Start, tmp_path: Path) -> None:
    running = start(SEEDVR2_PATHS_UPLOADS=str(tmp_path / "sent"))
    running.finished(running.submit())
    running.service.stop()
    (tmp_path / "sent" / "notes.txt").write_text("mine")
    running = start(SEEDVR2_PATHS_UPLOADS=str(tmp_path / "sent"))
    running.finished(running.submit())
    assert (tmp_path / "sent" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("shared", ["inbox", "uploads"])
def test_two_daemons_do_not_share_a_folder_that_is_one_s_own(start: Start, tmp_path: Path, shared: str) -> None:
    common = {f"SEEDVR2_PATHS_{shared.upper()}": str(tmp_path / "common")}
    start(folder=tmp_path / "one", **common)
    with pytest.raises(StoreError, match=f"Another seedvr2d uses .*common.*another paths.{shared}"):
        Service(make_config(tmp_path / "two", **common), FakeExecutor())


def test_two_daemons_may_share_the_outputs(start: Start, tmp_path: Path) -> None:
    common = {"SEEDVR2_PATHS_OUTPUTS": str(tmp_path / "common")}
    one = start(folder=tmp_path / "one", **common)
    one.executor.gate.clear()
    job_id = one.submit()
    assert one.executor.running.wait(PATIENCE_S)
    # The second one's start must not take the first one's work for a crash's.
    two = start(folder=tmp_path / "two", **common)
    assert two.finished(two.submit())["status"] == "completed"
    one.executor.gate.set()
    assert one.finished(job_id)["status"] == "completed"
    assert len(list((tmp_path / "common").glob("*.png"))) == 2


def test_a_folder_that_is_away_at_the_start_loses_no_task(start: Start, tmp_path: Path) -> None:
    running = start()
    running.executor.gate.clear()
    for number in range(3):
        picture(running.inbox / f"{number}.png")
    eventually(lambda: len(running.service.store.open_jobs()) == 3)
    sent = running.submit()
    running.service.stop()
    away = running.inbox.rename(tmp_path / "away")

    running = start()
    assert running.finished(sent)["status"] == "completed"
    eventually(
        lambda: any("the inbox folder is not there" in each for each in running.get("/health").json()["problems"])
    )
    waiting = [job for job in running.service.store.open_jobs() if job.draft.origin == "inbox"]
    assert [job.state.value for job in waiting] == ["queued"] * 3
    view = running.get(f"/api/status/{waiting[0].id}").json()
    assert "the inbox folder is not there" in view["waiting_for"]
    assert not running.inbox.exists()

    away.rename(running.inbox)
    for job in waiting:
        assert running.finished(job.id)["status"] == "completed"
    # The tasks go on as soon as they find their files; the watcher looks once in a while.
    eventually(lambda: running.get("/health").json()["problems"] == [])
    assert sorted(path.name for path in (running.inbox / "_done").iterdir()) == ["0.png", "1.png", "2.png"]


def test_outputs_that_are_away_at_the_start_lose_no_result(start: Start, tmp_path: Path) -> None:
    running = start()
    assert running.finished(running.submit())["status"] == "completed"
    running.service.stop()
    running.outputs.rename(tmp_path / "away")
    running = start()
    # Nothing waits for what was in it, so it is made anew.
    assert running.finished(running.submit("b.png", png("red")))["status"] == "completed"
    assert len(list((tmp_path / "away").glob("*.png"))) == 1


def test_an_uploads_folder_that_nobody_needs_is_made_anew(start: Start, tmp_path: Path) -> None:
    running = start(SEEDVR2_PATHS_UPLOADS=str(tmp_path / "sent"))
    (tmp_path / "sent").rename(tmp_path / "away")
    eventually((tmp_path / "sent").is_dir)
    assert running.finished(running.submit())["status"] == "completed"
    assert running.get("/health").json()["problems"] == []
