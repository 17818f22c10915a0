"""Zip archives that are made while they are sent: whole, of the length that was said, whatever their size."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from daemon.api.archive import Archive, Entry, archive_size, unique_names
from tests.daemon.conftest import Running, png


def entry(path: Path, name: str, content: bytes) -> Entry:
    path.write_bytes(content)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return Entry(path, name, len(content), 1_700_000_000)


@pytest.mark.parametrize("limit", [zipfile.ZIP64_LIMIT, 3000, 700])
def test_the_length_is_known_before_and_every_byte_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    # A file of four gigabytes takes the same ways as one beyond a lower limit.
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", limit)
    contents = {"a.png": os.urandom(1000), "empty.bin": b"", "夜景 é.tiff": os.urandom(5000), "b.mp4": os.urandom(10)}
    entries = [entry(tmp_path / str(index), name, data) for index, (name, data) in enumerate(contents.items())]
    archive = Archive(entries)
    whole = b"".join(iter(lambda: archive.read(777), b""))
    assert len(whole) == archive.size == archive_size(entries)
    with zipfile.ZipFile(io.BytesIO(whole)) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in opened.namelist()} == contents
        assert all(info.compress_type == zipfile.ZIP_STORED for info in opened.infolist())


def test_a_file_that_changed_or_went_breaks_off(tmp_path: Path) -> None:
    changed, gone = entry(tmp_path / "a", "a", b"12345"), entry(tmp_path / "b", "b", b"1")
    changed.path.write_bytes(b"123456")
    gone.path.unlink()
    for each in (changed, gone):
        with pytest.raises(OSError):
            Archive([each]).read()
    stopped = Archive([entry(tmp_path / "c", "c", bytes(1000))])
    assert stopped.read(5)
    stopped.close()


def test_names_are_told_apart_also_where_letters_are_the_same() -> None:
    names = ["a.png", "A.PNG", "a.png", "a (2).png", "b.png"]
    assert unique_names(names) == ["a.png", "A (2).PNG", "a (3).png", "a (2) (2).png", "b.png"]


def test_results_of_many_tasks_are_one_download(running: Running) -> None:
    first, second = running.submit("one.png", png("red")), running.submit("two.png", png("blue"))
    running.executor.errors.append(RuntimeError("broken"))
    running.finished(first), running.finished(second)
    (running.outputs / "sub").mkdir(exist_ok=True)
    done = [task for task in (first, second) if running.get(f"/api/status/{task}").json()["status"] == "completed"]
    answer = running.get(f"/api/tasks/download.zip?ids={','.join([*done, done[0]])}")
    assert answer.headers["Content-Type"] == "application/zip"
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as opened:
        assert {name: opened.read(name) for name in opened.namelist()} == {
            path.name: path.read_bytes() for path in running.results()
        }
    (failed,) = {first, second} - set(done)
    assert f"Task {failed} is failed" in running.get(f"/api/tasks/download.zip?ids={failed}").json()["error"]
    running.results()[0].unlink()
    answer = running.get(f"/api/tasks/download.zip?ids={done[0]}")
    assert (answer.status_code, "is not there any more" in answer.json()["error"]) == (404, True)
