"""Links swapped in by whoever writes the inbox: nothing outside is read, nothing is written outside."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.daemon.conftest import eventually
from tests.faults.conftest import Lab
from tests.faults.invariants import account
from tests.faults.lab import Daemon

pytestmark = pytest.mark.long

SECRET = (222, 11, 33)


def secret(lab: Lab, daemon: Daemon, name: str = "secret.png") -> Path:
    """A picture that the daemon may read and whoever writes the inbox may not."""
    path = lab.root / "private" / name
    path.parent.mkdir()
    path.write_bytes(daemon.picture(name))
    Image.new("RGB", (40, 40), SECRET).save(path)
    lab.foreign.add(path)
    return path


def nothing_leaked(daemon: Daemon) -> None:
    """No result shows the secret."""
    for result in daemon.outputs.rglob("*.png"):
        with Image.open(result) as image:
            assert image.convert("RGB").getpixel((3, 3)) != SECRET, f"{result} shows the secret file"


@pytest.mark.parametrize("what", ["file", "folder"])
def test_source_swapped(lab: Lab, what: str) -> None:
    """a source, or a folder on its way, becomes a link to a secret while its job waits"""
    daemon = lab.daemon().start()
    target = secret(lab, daemon, "picture.png")
    daemon.order("hold")
    daemon.submit("running.png")
    eventually(lambda: daemon.health()["worker"] == "processing")
    path = daemon.drop("album/picture.png")
    daemon.dropped.clear()
    eventually(lambda: daemon.get("/api/queue/status").json()["in_system"] == 2)
    if what == "file":
        path.unlink()
        path.symlink_to(target)
    else:
        path.parent.rename(daemon.inbox / ".aside")
        path.parent.symlink_to(target.parent)
    lab.fault()
    daemon.revoke("hold")
    daemon.submit("behind.png")
    lab.checked(account(daemon))
    eventually(lambda: daemon.get("/api/queue/status").json()["in_system"] == 0)
    nothing_leaked(daemon)
    lab.checked(lab.foreign.check())


@pytest.mark.parametrize("shelf", ["_done", "_failed"])
def test_shelf_is_a_link_at_start(lab: Lab, shelf: str) -> None:
    """`_done` or `_failed` is a link at the start: refused"""
    daemon = lab.daemon()
    outside = lab.root / "autostart"
    outside.mkdir()
    daemon.inbox.mkdir(parents=True)
    (daemon.inbox / shelf).symlink_to(outside)
    lab.fault()
    assert shelf in daemon.refusal()
    assert not list(outside.iterdir())
    (daemon.inbox / shelf).unlink()
    daemon.start()
    daemon.drop("dropped.png")
    lab.checked(account(daemon))


@pytest.mark.parametrize("shelf", ["_done", "_failed", "_done/album", "_failed/album"])
def test_shelf_becomes_a_link(lab: Lab, shelf: str) -> None:
    """`_done`, `_failed` or a folder in them becomes a link while it runs: nothing is written outside"""
    daemon = lab.daemon().start()
    outside = lab.root / "autostart"
    outside.mkdir()
    lab.foreign.plant(outside)
    before = sorted(outside.rglob("*"))
    link = daemon.inbox / shelf
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(outside)
    lab.fault()
    daemon.drop("album/good.png")
    daemon.drop("album/bad.png", b"no picture at all")
    daemon.dropped.pop()
    daemon.submit("behind.png")
    lab.checked(account(daemon, shelved=False))
    eventually(lambda: not (daemon.inbox / "album" / "bad.png").exists() or "bad.png" in daemon.log)
    assert sorted(outside.rglob("*")) == before
    lab.checked(lab.foreign.check())


def test_result_is_a_link_beforehand(lab: Lab) -> None:
    """links in the place of an unfinished result and of an error text: what they point to is left alone"""
    daemon = lab.daemon().start()
    target = lab.root / "private.txt"
    lab.foreign.add(target)
    daemon.order("hold")
    daemon.drop("picture.png")
    eventually(lambda: daemon.health()["worker"] == "processing")
    work = daemon.outputs / ".work"
    for file in [each for each in work.rglob("*") if each.is_dir()]:
        (file / "result.png").symlink_to(target)
    (daemon.inbox / "picture.png.error.txt").symlink_to(target)
    lab.fault()
    daemon.revoke("hold")
    daemon.submit("behind.png")
    lab.checked(account(daemon, shelved=False))
    lab.checked(lab.foreign.check())
