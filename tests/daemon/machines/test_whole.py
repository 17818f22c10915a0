"""A job of a real daemon, made by a machine that joined. Needs root."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.daemon.machines.lan import HEAD, made_lan, wait_for

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None, reason="network namespaces need root and ip"),
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'seedvr2d[cluster]'"
    ),
]
DAEMON = (sys.executable, "-m", "daemon")
TEXT = b"these are the pixels"


def _write_clip(file: Path) -> None:
    import av
    import numpy as np

    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(12):
            image = np.full((48, 64, 3), index * 20, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode(None))


def _padded(clip: bytes) -> bytes:
    """The same clip with 4 MB of text in it, in a box that players leave aside (ISO/IEC 14496-12, 8.1.2)."""
    text = TEXT * 200_000
    return clip + (len(text) + 8).to_bytes(4, "big") + b"free" + text


@pytest.mark.parametrize("shared", [True, False])
def test_a_video_is_made_by_the_other_machine(tmp_path: Path, shared: bool) -> None:
    for name in ("head", "other", "mnt"):
        (tmp_path / name).mkdir()
    head, other = tmp_path / "head/config.toml", tmp_path / "other/config.toml"
    head.write_text(
        f'[cluster]\nmode = "head"\naddress = "{HEAD}:8210"\ngpus = "none"\n'
        '[model]\ndefault = "nano"\n[inbox]\nsettle_s = 0.2\n[defaults]\nresolution = 96\n'
    )
    other.write_text('[model]\ndevice = "cpu"\ndefault = "nano"\n')
    runtime = Path(f"/tmp/s2d-{os.getpid()}")
    with made_lan(tmp_path) as lan:
        assert lan.run(0, *DAEMON, "--config", str(head), "cluster", "init").returncode == 0
        log, joining = tmp_path / "daemon.log", tmp_path / "join.log"
        daemon = lan.start(0, *DAEMON, "--config", str(head), log=log)
        wait_for(log, "8200", daemon)
        adding = f"{' '.join(DAEMON)} --config {head} cluster add studio-2 > {tmp_path}/studio-2.join"
        assert lan.run(0, "sh", "-c", adding).returncode == 0
        marks = json.loads((tmp_path / "studio-2.join").read_text())["marks"]
        assert {Path(mark["folder"]).name for mark in marks} == {"inbox", "outputs", "uploads"}
        # Ray takes some seconds to come up.
        reach = f"import socket; socket.create_connection(('{HEAD}', 8210), 1)"
        assert any(lan.run(0, sys.executable, "-c", f"import time; time.sleep(0.5); {reach}").returncode == 0
                   for _ in range(60))  # fmt: skip
        # The same folders under another name, as a mount has them.
        (tmp_path / "mnt/head").symlink_to(tmp_path / "head")
        runtime.mkdir()
        try:
            words = (*DAEMON, "--config", str(other), "join", str(tmp_path / "studio-2.join"), "--gpus", "0")
            if shared:
                words = (*words, "--path", f"{tmp_path}/head={tmp_path}/mnt/head")
            else:
                # In a mount namespace of its own; the daemon goes on seeing its folder.
                words = ("sh", "-c", f'mount -t tmpfs none {tmp_path}/head && exec "$@"', "sh", *words)
            joined = lan.start(1, *words, log=joining, RUNTIME_DIRECTORY=str(runtime))
            said = wait_for(joining, "takes part", joined)
            assert ("outputs of the daemon is shared" in said) == shared
            assert ("sources are sent here, up to 50 GB are kept in" in said) != shared
            _write_clip(tmp_path / "clip.mp4")
            source = _padded((tmp_path / "clip.mp4").read_bytes())
            (tmp_path / "clip.mp4").write_bytes(source)
            with lan.sniffed(tmp_path / "heard"):
                (tmp_path / "clip.mp4").rename(tmp_path / "head/inbox/clip.mp4")
                wait_for(log, "completed", daemon, timeout_s=90)
            seen = lan.run(0, *DAEMON, "--config", str(head), "cluster", "status").stdout
            assert lan.run(0, *DAEMON, "--config", str(head), "cluster", "remove", "studio-2").returncode == 0
            wait_for(log, "is not on the list of machines", daemon)
            removed = lan.run(0, *DAEMON, "--config", str(head), "cluster", "status").stdout
        finally:
            lan.end(1)
            shutil.rmtree(runtime)
    assert "mode head" in seen and "studio-2:0  cpu  idle" in seen
    assert "studio-2:0" in removed and "refused" in removed and "seedvr2d cluster add studio-2" in removed
    (result,) = (tmp_path / "head/outputs").glob("*.mp4")
    assert result.stat().st_size > 1000
    heard = (tmp_path / "heard").read_bytes()
    assert TEXT not in heard
    kept = tmp_path / "other/state/place/sources" / hashlib.sha256(source).hexdigest()
    assert kept.exists() != shared
    if not shared:
        assert kept.read_bytes() == source and len(heard) > len(source)
        assert [file.name for file in kept.parents[1].glob("work/*/*/*") if not file.is_symlink()] == []
