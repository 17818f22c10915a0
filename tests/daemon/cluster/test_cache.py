"""Copies of sources: whole or not there, kept while they are used, removed in turn; by several processes."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.cluster.cache import SourceCache
from daemon.cluster.incoming import CacheError, Incoming, NotWholeError
from seedvr2.standard_folders import ROOT

KIB = 1 << 10
# Another process: begins, holds or makes a copy, says so, and waits to be told to end.
_OTHER = """
import hashlib, sys
from pathlib import Path
from daemon.cluster.cache import SourceCache
cache, what, content = SourceCache(Path(sys.argv[1]), 1 << 20, 0), sys.argv[2], bytes(int(sys.argv[3]))
sha256 = hashlib.sha256(content).hexdigest()
if what == "hold":
    kept = cache.hold(sha256, len(content))
else:
    kept = cache.begin(sha256, len(content))
    kept.add(0, content[:100])
print("ready", kept is not None, flush=True)
sys.stdin.read()
"""


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def begun(cache: SourceCache, content: bytes) -> Incoming:
    incoming = cache.begin(sha(content), len(content))
    assert incoming is not None
    return incoming


def keep(cache: SourceCache, content: bytes, used: int = 0) -> Path:
    """Have a copy that was last used at that time."""
    incoming = begun(cache, content)
    incoming.add(0, content)
    held = incoming.finish()
    held.close()
    os.utime(held.path, (used, used))
    return held.path


def other(folder: Path, what: str, size: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _OTHER, str(folder), what, str(size)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None and process.stdout.readline() == "ready True\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()


def test_a_copy_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    cache, content = SourceCache(tmp_path / "a/sources", 1 << 20, 0), os.urandom(3000)
    assert cache.hold(sha(content), len(content)) is None
    incoming = begun(cache, content)
    # Chunks may overtake each other on their way.
    assert not incoming.add(1000, content[1000:2000])
    assert not incoming.add(0, content[:1000])
    assert cache.hold(sha(content), len(content)) is None
    assert incoming.add(2000, content[2000:])
    made = incoming.finish()
    held = cache.hold(sha(content), len(content))
    assert held is not None and held.path.read_bytes() == content
    assert (held.path.stat().st_mode & 0o777, held.path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert cache.hold(sha(content), len(content) + 1) is None
    for each in (made, held):
        each.close()
    assert sorted(entry.name for entry in held.path.parent.iterdir()) == [sha(content), "lock"]


def test_what_is_not_as_announced_is_no_copy(tmp_path: Path) -> None:
    cache, content = SourceCache(tmp_path, 1 << 20, 0), bytes(1000)
    incoming = begun(cache, content)
    incoming.add(0, b"x" * 1000)
    with pytest.raises(NotWholeError):
        incoming.finish()
    incoming.close()
    incoming = begun(cache, content)
    with pytest.raises(NotWholeError):
        incoming.add(0, bytes(1001))
    incoming.close()
    incoming.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["lock"]
    for name in ("../x", "", "A" * 64, "0" * 63):
        with pytest.raises(ValueError, match="no SHA-256"):
            cache.begin(name, 1)


def test_the_time_of_the_last_change_stays_when_a_copy_is_used(tmp_path: Path) -> None:
    cache, content = SourceCache(tmp_path, 1 << 20, 0), bytes(10)
    path = keep(cache, content, used=1000)
    held = cache.hold(sha(content), 10)
    assert held is not None
    held.close()
    assert path.stat().st_mtime == 1000 and path.stat().st_atime > 1000


def test_the_one_that_was_not_used_for_the_longest_goes_first_and_none_in_use(tmp_path: Path) -> None:
    cache = SourceCache(tmp_path, 100 * KIB, 0)
    contents = [bytes([number]) * 30 * KIB for number in range(5)]
    paths = [keep(cache, content, used) for content, used in zip(contents[:3], (300, 100, 200), strict=True)]
    (tmp_path / "notes.txt").write_bytes(bytes(200 * KIB))
    kept = cache.hold(sha(contents[1]), 30 * KIB)
    assert kept is not None
    os.utime(kept.path, (100, 100))
    keep(cache, contents[3], 400)
    assert [path.exists() for path in paths] == [True, True, False]
    kept.close()
    keep(cache, contents[4], 500)
    assert [path.exists() for path in paths] == [True, False, False]
    with pytest.raises(CacheError, match=r"may take 0 MB, and the source has 0 MB; raise cluster.cache_gb"):
        cache.begin("0" * 64, 101 * KIB)
    assert paths[0].exists() and (tmp_path / "notes.txt").exists()


def test_what_is_begun_counts_before_it_is_written(tmp_path: Path) -> None:
    cache = SourceCache(tmp_path, 100 * KIB, 0)
    first = begun(cache, bytes(60 * KIB))
    with pytest.raises(CacheError, match="are in use"):
        cache.begin("0" * 64, 60 * KIB)
    first.close()
    second = cache.begin("0" * 64, 60 * KIB)
    assert second is not None
    second.close()


def test_a_disk_without_room_is_told_and_nothing_removed_for_it(tmp_path: Path) -> None:
    path = keep(SourceCache(tmp_path, 1 << 20, 0), bytes(10))
    full = SourceCache(tmp_path, 1 << 60, 1 << 60)
    with pytest.raises(CacheError, match="of its disk to use, and the source has 0 MB; free some there"):
        full.begin("0" * 64, 10)
    assert path.exists()
    full.tidy()
    path.unlink()
    with pytest.raises(CacheError, match="free some there"):
        full.tidy()


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = SourceCache(tmp_path / "file/sources", 1 << 20, 0)
    with pytest.raises(CacheError, match="cannot be used"):
        cache.tidy()
    with pytest.raises(CacheError, match="cannot be used"):
        cache.begin("0" * 64, 10)


def test_one_process_makes_a_copy_and_what_a_kill_left_of_it_does_not_count(tmp_path: Path) -> None:
    cache, content = SourceCache(tmp_path, 1 << 20, 0), bytes(5000)
    process = other(tmp_path, "begin", 5000)
    try:
        assert cache.begin(sha(content), 5000) is None
        cache.tidy()
        assert (tmp_path / f"{sha(content)}.part").exists()
    finally:
        end(process)
    assert cache.hold(sha(content), 5000) is None
    cache.tidy()
    assert [entry.name for entry in tmp_path.iterdir()] == ["lock"]
    assert keep(cache, content).read_bytes() == content


def test_a_copy_stays_as_long_as_another_process_uses_it(tmp_path: Path) -> None:
    cache, content = SourceCache(tmp_path, 50 * KIB, 0), bytes(30 * KIB)
    path = keep(cache, content)
    process = other(tmp_path, "hold", 30 * KIB)
    try:
        cache.remove(sha(content))
        with pytest.raises(CacheError, match="are in use"):
            cache.begin("0" * 64, 30 * KIB)
        assert path.exists()
    finally:
        end(process)
    incoming = cache.begin("0" * 64, 30 * KIB)
    assert incoming is not None and not path.exists()
    incoming.close()
