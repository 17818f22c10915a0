"""Whose fault it is: each trouble is made for real, in a process of its own where it is the process's."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seedvr2.errors import MachineError, MediaError
from seedvr2.media import open_sink, open_source
from seedvr2.media.failures import reading
from seedvr2.options import UpscaleOptions
from tests.seedvr2.media import clips

ROOT = Path(__file__).parents[3]
# Prints the error's class, its errno and its text.
TRY = """
import os, resource, sys
from pathlib import Path
import av, numpy, PIL.Image, seedvr2.media as media
from seedvr2.errors import SeedVR2Error
from seedvr2.options import UpscaleOptions
path = Path(sys.argv[1])
PIL.Image.init()
{trouble}
try:
    {act}
except SeedVR2Error as error:
    print(type(error).__name__, getattr(error, "errno", None), error)
"""
READ = "next(media.open_source(path).frames())"
as_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root")


def outcome(path: Path, trouble: str, act: str = READ) -> str:
    code = TRY.format(trouble=trouble, act=act)
    run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, cwd=ROOT, check=True)
    return run.stdout


@pytest.fixture(params=["a.png", "a.jpg", "a.mp4"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path: Path = tmp_path / request.param
    if path.suffix == ".mp4":
        return clips.write_video(path, [clips.picture(32, 24, index) for index in range(3)])
    Image.fromarray(clips.picture(32, 24, 0)).save(path)
    return path


def test_too_many_open_files_are_not_the_files_fault(source: Path) -> None:
    said = outcome(source, "resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir('/proc/self/fd')) - 1,) * 2)")
    assert said.startswith(f"MachineError 24 Too many files are open to read {source.name}; raise the limit")


@as_root
def test_a_file_of_another_user_is_not_to_blame(source: Path) -> None:
    for folder in (source.parent, *source.parent.parents[:3]):
        folder.chmod(0o755)
    source.chmod(0o600)
    said = outcome(source, "os.seteuid(65534)")
    assert said == f"MachineError 13 {source.name} may not be read; give the service read permission for it.\n"


@as_root
def test_a_folder_of_another_user_is_not_to_blame(source: Path) -> None:
    for folder in (source.parent, *source.parent.parents[:3]):
        folder.chmod(0o755)
    act = "media.open_sink(path.with_name('out'), media.open_source(path), 32, 24, UpscaleOptions())"
    assert outcome(source, "os.seteuid(65534)", act).startswith("MachineError 13 out may not be written")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=False).returncode:
        pytest.skip("may not mount here")
    yield disk
    subprocess.run(["umount", disk], check=True)


@as_root
def test_a_full_disk_is_the_machines(source: Path, small_disk: Path) -> None:
    with open_source(source) as clip:
        frame = next(clip.frames())
        noisy = np.random.default_rng(0).integers(0, 256, (384, 512, 3), np.uint8)
        with (
            pytest.raises(MachineError, match="The disk is full: out could not be written") as caught,
            open_sink(small_disk / "out", clip, 512, 384, UpscaleOptions()) as sink,
        ):
            for _ in range(1 if clip.info.kind == "picture" else 20):
                sink.write(noisy, frame)
        assert caught.value.errno == 28
    assert list(small_disk.iterdir()) == []


@as_root
def test_a_read_only_disk_is_the_machines(source: Path, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with open_source(source) as clip, pytest.raises(MachineError, match="out may not be written") as caught:
        open_sink(small_disk / "out", clip, 32, 24, UpscaleOptions())
    assert caught.value.errno == 30


def test_a_folder_that_is_gone_is_the_machines(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in ("nowhere", "file"):
        with open_source(source) as clip, pytest.raises(MachineError, match="its folder does not exist"):
            open_sink(tmp_path / folder / "out", clip, 32, 24, UpscaleOptions())


def test_a_share_that_is_gone_is_the_machines(tmp_path: Path) -> None:
    for code in (5, 107, 110, 116):
        with pytest.raises(MachineError, match=r"a\.png cannot be read") as caught, reading(tmp_path / "a.png"):
            raise OSError(code, "gone")
        assert caught.value.errno == code


def test_the_files_own_faults_stay_its_own(source: Path) -> None:
    whole = source.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"no picture at all"):
        source.write_bytes(content)
        with pytest.raises(MediaError):
            list(open_source(source).frames())
    source.unlink()
    with pytest.raises(MediaError, match="There is no file"):
        open_source(source)


def test_pipes_sockets_and_devices_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.png"))
    for path in (tmp_path / "pipe.png", tmp_path / "socket.png", Path("/dev/zero")):
        with pytest.raises(MediaError, match="is a pipe or a device"):
            open_source(path)


@pytest.mark.parametrize(
    "head", [b"II*\0", b"MM\0*\0\0", b"II+\0\x08\0\0\0", b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"GIF8", b"RIFF"]
)
@pytest.mark.parametrize("suffix", [".tif", ".nef", ".png"])
def test_a_file_that_ends_within_its_first_bytes(tmp_path: Path, head: bytes, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(head)
    with pytest.raises(MediaError, match=path.name):
        open_source(path)
