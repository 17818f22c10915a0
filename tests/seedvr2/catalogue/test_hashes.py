from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from seedvr2.catalogue.hashes import MEMORY, checked_sha256, known_sha256, remember_sha256, sha256_of

ABC = hashlib.sha256(b"abc").hexdigest()


def test_a_hash_is_computed_once_and_then_known(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"abc")
    assert known_sha256(path) is None
    progress: list[tuple[int, int]] = []
    assert checked_sha256(path, lambda *at: progress.append(at)) == ABC
    assert progress == [(3, 3)]
    assert known_sha256(path) == ABC
    assert checked_sha256(path, lambda *at: progress.append(at)) == ABC
    assert progress == [(3, 3)]  # not read again
    assert checked_sha256(path, lambda *at: progress.append(at), fresh=True) == ABC
    assert len(progress) == 2


def test_a_changed_file_is_not_taken_for_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"abc")
    checked_sha256(path)
    path.write_bytes(b"abd")
    os.utime(path, ns=(1, 1))
    assert known_sha256(path) is None
    assert checked_sha256(path) == hashlib.sha256(b"abd").hexdigest()


def test_files_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"abc")
        remember_sha256(tmp_path / name, ABC)
    (tmp_path / "a").unlink()
    remember_sha256(tmp_path / "b", ABC)
    assert set(json.loads((tmp_path / MEMORY).read_text())) == {"b"}


def test_a_spoilt_memory_is_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    for spoilt in ("{", "[1]", '{"a": 3}', '{"a": {"stamp": "?"}}'):
        (tmp_path / MEMORY).write_text(spoilt)
        assert known_sha256(path) is None
        assert checked_sha256(path) == ABC


def test_large_files_are_read_in_pieces(tmp_path: Path) -> None:
    content = bytes(20 << 20)
    (tmp_path / "a").write_bytes(content)
    seen: list[int] = []
    assert sha256_of(tmp_path / "a", lambda done, _: seen.append(done)) == hashlib.sha256(content).hexdigest()
    assert seen == [8 << 20, 16 << 20, 20 << 20]
