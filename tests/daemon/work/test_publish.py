"""Results are put in place once and whole, whatever happens in between and whatever the disk says of their names."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon.jobs.job import Job, Result, State
from daemon.store.job_store import JobStore
from daemon.work.publish import Publisher
from daemon.work.recovery import Recovered, Recovery
from daemon.work.work_folder import WorkFolder
from tests.daemon.jobs.test_job import draft


class Crash(BaseException):
    """The process ends here."""


class Bench:
    """A store, a work folder and a publisher, again and again on the same folders."""

    def __init__(self, folder: Path) -> None:
        self.state, self.outputs = folder / "state", folder / "outputs"
        self.outputs.mkdir()
        self.open()

    def open(self) -> None:
        self.store = JobStore(self.state)
        self.work = WorkFolder(self.outputs, "0123456789abcdef")
        self.publisher = Publisher(self.store, self.outputs, self.work)

    def close(self) -> None:
        self.store.close()
        self.work.release()

    def recovered(self, missing: str = "") -> Recovered:
        return Recovery(self.store, self.publisher, self.work, lambda: missing).run()

    def finished_engine(self, name: str = "a.png", *, announced: bool = True) -> Job:
        """A job whose result is whole, hidden, and (if so) announced."""
        job = self.store.add(draft())
        job = self.store.save(job.start(time.time()))
        (self.work.fresh(job.id) / "result.png").write_bytes(b"result")
        result = Result(str(self.outputs / name), 64, 48, 1, 1.0, "nano", False, {"seed": 1})
        self.work.note_result(job.id, result)
        return self.store.save(job.with_result(result)) if announced else job

    def files(self) -> list[str]:
        """Every result, without descriptions and work."""
        found = (path.relative_to(self.outputs) for path in self.outputs.rglob("*") if path.is_file())
        return sorted(str(path) for path in found if path.suffix != ".json" and path.parts[0] != ".work")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def refusing(monkeypatch: pytest.MonkeyPatch, refuses: Callable[[str], int]) -> None:
    """Let the system refuse names as some disks do: `refuses` gives an error number for a file name, or 0."""
    link, rename, mkdir = os.link, os.rename, os.mkdir

    def check(path: object) -> None:
        for part in Path(os.fsdecode(path)).parts:  # type: ignore[arg-type]
            if number := refuses(part):
                raise OSError(number, os.strerror(number), str(path))

    def checked_link(source: str, target: str, **more: object) -> None:
        check(target)
        link(source, target, **more)  # type: ignore[arg-type]

    def checked_mkdir(path: str, mode: int = 0o777) -> None:
        check(path)
        mkdir(path, mode)

    def checked_rename(source: str, target: str) -> None:
        check(target)
        rename(source, target)

    monkeypatch.setattr("os.link", checked_link)
    monkeypatch.setattr("os.mkdir", checked_mkdir)
    monkeypatch.setattr("os.rename", checked_rename)


def test_it_is_published_with_its_description(bench: Bench) -> None:
    job = bench.publisher.publish(bench.finished_engine())
    assert job.state is State.COMPLETED
    assert (bench.outputs / "a.png").read_bytes() == b"result"
    assert json.loads((bench.outputs / "a.png.json").read_text())["id"] == job.id
    assert list((bench.outputs / ".work").iterdir()) == []


def test_an_existing_file_is_never_overwritten(bench: Bench) -> None:
    job = bench.finished_engine()
    (bench.outputs / "a.png").write_bytes(b"mine")
    job = bench.publisher.publish(job)
    assert (bench.outputs / "a.png").read_bytes() == b"mine"
    assert job.result is not None
    assert Path(job.result.path) == bench.outputs / "a (2).png"
    assert (bench.outputs / "a (2).png").read_bytes() == b"result"


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(
    "step", ["os.link", "os.unlink", "pathlib.Path.replace", "daemon.work.work_folder.WorkFolder.discard"]
)
def test_a_crash_at_any_step_ends_in_exactly_one_result(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str, announced: bool
) -> None:
    job = bench.finished_engine(announced=announced)

    def crash(*_arguments: object, **_more: object) -> None:
        raise Crash

    monkeypatch.setattr(step, crash)
    if announced:
        with pytest.raises(Crash):
            bench.publisher.publish(job)
    monkeypatch.undo()
    bench.close()

    bench.open()
    found = bench.recovered()
    assert (found.waiting, found.left) == ([], [])
    assert [each.state for each in found.ended] == [State.COMPLETED]
    assert bench.files() == ["a.png"]
    assert (bench.outputs / "a.png").read_bytes() == b"result"
    assert (bench.outputs / "a.png").stat().st_nlink == 1
    assert list((bench.outputs / ".work").iterdir()) == []


def test_a_job_without_a_whole_result_runs_again(bench: Bench) -> None:
    job = bench.finished_engine()
    (bench.work.of(job.id) / "result.png").unlink()
    (again,) = bench.recovered().waiting
    assert again.state is State.QUEUED
    assert again.result is None


def test_what_a_crash_left_in_the_work_folder_goes_away_and_that_of_others_stays(bench: Bench) -> None:
    bench.work.fresh("deadbeef")
    foreign = bench.outputs / ".work" / "fedcba9876543210" / "deadbeef"
    foreign.mkdir(parents=True)
    (foreign / "result.png").write_bytes(b"theirs")
    (bench.outputs / ".work" / "holiday").mkdir()
    bench.recovered()
    assert not bench.work.of("deadbeef").exists()
    assert (foreign / "result.png").read_bytes() == b"theirs"
    assert (bench.outputs / ".work" / "holiday").is_dir()


def test_what_an_earlier_version_left_is_taken_over(bench: Bench) -> None:
    job = bench.finished_engine()
    bench.work.of(job.id).rename(bench.outputs / ".work" / job.id)
    (ended,) = bench.recovered().ended
    assert ended.state is State.COMPLETED
    assert bench.files() == ["a.png"]


def test_while_the_disk_is_missing_a_finished_result_is_waited_for(bench: Bench) -> None:
    job = bench.finished_engine()
    away = bench.outputs.rename(bench.outputs.with_name("away"))
    (step,) = bench.recovered(missing="The disk is not mounted.").left
    stored = bench.store.get(job.id)
    assert stored is not None
    assert stored.state is State.PROCESSING
    assert not bench.outputs.exists()
    away.rename(bench.outputs)
    assert step.advance(lambda: False).state is State.COMPLETED
    assert bench.files() == ["a.png"]


def test_file_systems_without_hard_links(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_more: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    (bench.outputs / "a.png").write_bytes(b"mine")
    job = bench.publisher.publish(bench.finished_engine())
    assert job.result is not None
    assert Path(job.result.path).read_bytes() == b"result"
    assert (bench.outputs / "a.png").read_bytes() == b"mine"


def windows(part: str) -> int:
    return errno.EINVAL if set(part) & set('<>:"|?*') or (part.endswith((".", " ")) and part not in (".", "..")) else 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Trip: day 1?.png", "Trip_ day 1_.png"),
        ("Day: 2/a*.png", "Day_ 2/a_.png"),
        ('"x"/y. /<z>.png', "_x_/y/_z_.png"),
    ],
)
def test_a_name_that_the_disk_refuses_is_cleaned(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str, expected: str
) -> None:
    job = bench.finished_engine(name)
    refusing(monkeypatch, windows)
    job = bench.publisher.publish(job)
    assert job.state is State.COMPLETED
    assert bench.files() == [expected]
    assert job.result is not None
    assert job.result.path == str(bench.outputs / expected)


@pytest.mark.parametrize("limit", [175, 143, 100, 60])
def test_a_name_that_is_too_long_is_shortened(bench: Bench, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    job = bench.finished_engine("照片" * 38 + ".png")
    refusing(monkeypatch, lambda part: errno.ENAMETOOLONG if len(os.fsencode(part)) > limit else 0)
    job = bench.publisher.publish(job)
    assert job.state is State.COMPLETED
    (name,) = bench.files()
    assert name.startswith("照片照片")
    assert name.endswith(".png")
    assert len(os.fsencode(name)) <= limit


def test_where_every_name_is_refused_the_id_is_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    job = bench.finished_engine("照片.png")
    refusing(monkeypatch, lambda part: 0 if part.isascii() else errno.EILSEQ)
    assert bench.publisher.publish(job).state is State.COMPLETED
    assert bench.files() == [f"{job.id}.png"]


def test_a_file_in_a_folder_s_place_fails_the_job_and_keeps_its_result(bench: Bench) -> None:
    (bench.outputs / "fam").write_text("mine")
    job = bench.publisher.publish(bench.finished_engine("fam/a.png"))
    assert job.state is State.FAILED
    assert "not a folder" in job.error
    assert job.kept in job.error
    assert Path(job.kept).read_bytes() == b"result"
    assert Path(job.kept + ".json").is_file()
    assert (bench.outputs / "fam").read_text() == "mine"
    # The next one is not held up.
    assert bench.publisher.publish(bench.finished_engine("b.png")).state is State.COMPLETED


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.ELOOP])
def test_a_folder_that_takes_no_file_fails_the_job_and_keeps_its_result(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    job = bench.finished_engine("fam/a.png")
    refusing(monkeypatch, lambda part: number if part == "fam" else 0)
    job = bench.publisher.publish(job)
    assert job.state is State.FAILED
    assert Path(job.kept).read_bytes() == b"result"
    assert os.strerror(number) in job.error


def test_a_crash_between_keeping_and_telling_does_not_run_it_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bench.outputs / "fam").write_text("mine")
    job = bench.finished_engine("fam/a.png")

    def crash(*_arguments: object, **_more: object) -> None:
        raise Crash

    monkeypatch.setattr("daemon.work.publish._describe", crash)
    with pytest.raises(Crash):
        bench.publisher.publish(job)
    monkeypatch.undo()
    bench.close()
    bench.open()
    (ended,) = bench.recovered().ended
    assert ended.state is State.FAILED
    assert Path(ended.kept).read_bytes() == b"result"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.ESTALE])
def test_trouble_of_the_disk_fails_nothing_and_is_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    job = bench.finished_engine()
    refusing(monkeypatch, lambda part: number if part == "a.png" else 0)
    with pytest.raises(OSError, match=os.strerror(number)):
        bench.publisher.publish(job)
    monkeypatch.undo()
    stored = bench.store.get(job.id)
    assert stored is not None
    assert bench.publisher.publish(stored).state is State.COMPLETED
    assert bench.files() == ["a.png"]


def test_another_disk_behind_a_link_gets_a_copy(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (bench.outputs / "fam").symlink_to(elsewhere)
    job = bench.finished_engine("fam/a.png")
    link = os.link

    def other_disk(source: object, target: object, **more: object) -> None:
        if ".work" in str(source) and "fam" in str(target):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        link(source, target, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("os.link", other_disk)
    job = bench.publisher.publish(job)
    assert job.state is State.COMPLETED
    assert job.result is not None
    # The record names the true folder: a link that is put there later cannot lead a download astray.
    assert job.result.path == str(elsewhere / "a.png")
    assert sorted(path.name for path in elsewhere.iterdir()) == ["a.png", "a.png.json"]
    assert list((bench.outputs / ".work").iterdir()) == []


def test_what_cannot_be_tidied_keeps_nothing_else_lying_about(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.work.claim()
    for name in ("a", "b", "c"):
        (bench.work.root / name).touch()
    unlink = Path.unlink

    def refused(path: Path, missing_ok: bool = False) -> None:
        if path.name == "b":
            raise PermissionError(errno.EPERM, "Operation not permitted")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refused)
    bench.work.tidy(set())
    assert [path.name for path in bench.work.root.iterdir()] == ["b"]


def test_a_disk_behind_a_link_that_takes_no_file_of_that_size_fails_the_job_and_keeps_its_result(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.finished_engine("fam/a.png")
    refusing(monkeypatch, lambda part: errno.EFBIG if part == "a.png" else 0)
    (ended,) = bench.recovered().ended
    assert ended.state is State.FAILED
    assert "It is kept as" in ended.error
    assert bench.files() == [f"_kept/{job.id}_a.png"]
