"""Protected videos are refused by name, whatever protects them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from seedvr2.errors import MediaError
from seedvr2.media import open_source
from seedvr2.media.carried.encryption import is_protected
from seedvr2.media.videos.mkv_additions import element
from tests.seedvr2.media import clips


@pytest.mark.parametrize("entry", [b"encv", b"drmi"])
def test_a_protected_video_is_refused(tmp_path: Path, entry: bytes) -> None:
    clip = clips.write_video(tmp_path / "clip.mp4", [clips.picture(32, 32, index) for index in range(3)])
    clip.write_bytes(clip.read_bytes().replace(b"avc1\0\0\0\0\0\0\0\1", entry + b"\0\0\0\0\0\0\0\1"))
    assert entry in clip.read_bytes()
    with pytest.raises(MediaError, match="protected"):
        open_source(clip)


def matroska(kind: int) -> bytes:
    encoding = element(b"\x62\x40", element(b"\x50\x33", bytes([kind])))
    tracks = element(b"\xae", b"") + element(b"\xae", element(b"\x6d\x80", encoding))
    return element(b"\x1a\x45\xdf\xa3", b"") + element(b"\x18\x53\x80\x67", element(b"\x16\x54\xae\x6b", tracks))


def test_matroska_tells_encryption_from_compression(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    path.write_bytes(matroska(1))
    assert is_protected(path, 0, 1)
    assert not is_protected(path, 0, 0), "the other track"
    path.write_bytes(matroska(0))
    assert not is_protected(path, 0, 1)


def test_windows_media_says_so_in_its_header(tmp_path: Path) -> None:
    path = tmp_path / "a.wmv"
    head = io.BytesIO()
    head.write(bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(30))
    path.write_bytes(head.getvalue())
    assert not is_protected(path, 1, 0)
    path.write_bytes(head.getvalue() + bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e"))
    assert is_protected(path, 1, 0)
    path.write_bytes(b"RIFF" + path.read_bytes())
    assert not is_protected(path, 1, 0)
