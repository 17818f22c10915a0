"""Which files the tools read and write, and that a large one is not held in memory."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path

import anyio
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.server.mcpserver.exceptions import ToolError

import mcp_server
from mcp_tools.api import Api
from mcp_tools.files import open_source, target_path, upload_name
from mcp_tools.settings import Settings
from tests.daemon.conftest import Running, picture
from tests.mcp.conftest import PATIENCE, SCRIPT, Host, Stub
from tests.mcp.seen import play


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.png").write_bytes(b"secret")
    return folder


def test_a_file_in_an_allowed_folder_is_read(home: Path) -> None:
    (home / "a b ü.png").write_bytes(b"picture")
    (home / "link.png").symlink_to(home / "a b ü.png")
    for path in (
        str(home / "a b ü.png"),
        f"file://{home}/a%20b%20%C3%BC.png",
        str(home / "link.png"),
        f" {home}/link.png ",
    ):
        with open_source(path, [home]) as file:
            assert file.read() == b"picture"
    assert upload_name(str(home / "link.png")) == "link.png"


def test_no_way_leads_outside(home: Path, outside: Path) -> None:
    (home / "link.png").symlink_to(outside / "secret.png")
    (home / "folder").symlink_to(outside)
    (outside / "home").symlink_to(home)
    ways = ("../outside/secret.png", "link.png", "folder/secret.png", "./folder/../outside/secret.png")
    for way in ways:
        with pytest.raises(ToolError, match="outside of what may be used here"):
            open_source(f"{home}/{way}", [home])
    # A folder that only begins alike is another one.
    (home.parent / "home2").mkdir()
    with pytest.raises(ToolError, match="outside"):
        open_source(str(home.parent / "home2" / "a.png"), [home])
    with pytest.raises(ToolError, match="no folder"):
        open_source(str(home / "a.png"), [])


def test_what_is_no_file_is_not_read(home: Path) -> None:
    os.mkfifo(home / "pipe.png")
    (home / "loop.png").symlink_to(home / "loop.png")
    (home / "gone.png").symlink_to(home / "nothing")
    for name, sentence in {
        "pipe.png": "is not a file",
        "": "is not a file",
        "missing.png": "cannot be read: No such file",
        "gone.png": "cannot be read: No such file",
        "loop.png": "cannot be read",
    }.items():
        with pytest.raises(ToolError, match=sentence):
            open_source(f"{home}/{name}", [home])
    for path in ("", "  ", "a\0b"):
        with pytest.raises(ToolError, match="Give the path of a file"):
            open_source(path, [home])


def test_home_is_allowed_by_default_and_the_environment_names_others(
    home: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(home))
    (home.parent / "alias").symlink_to(outside)
    assert Settings.read({}).folders == (home,)
    named = Settings.read({"SEEDVR2_MCP_FOLDERS": f"~/Videos:{home.parent / 'alias'}:"})
    assert named.folders == (home / "Videos", outside)


def test_where_a_result_goes(home: Path, outside: Path) -> None:
    (home / "there.png").write_bytes(b"mine")
    (home / "dangling.png").symlink_to(home / "nowhere.png")
    assert target_path(str(home), "out.png", [home]) == home / "out.png"
    assert target_path(str(home / "new.PNG"), "out.png", [home]) == home / "new.PNG"
    assert target_path(str(home), "../../evil/out.png", [home]) == home / "out.png"
    for path, sentence in {
        str(home / "there.png"): "is there already",
        str(outside): "outside of what may be used",
        str(outside / "new.png"): "outside of what may be used",
        str(home / "missing" / "new.png"): "There is no folder",
        str(home / ".bashrc"): "The result is a .png",
        str(home / "run.sh"): "The result is a .png",
    }.items():
        with pytest.raises(ToolError, match=sentence):
            target_path(path, "out.png", [home])


def test_a_download_that_breaks_leaves_nothing(stub: Stub, home: Path) -> None:
    async def scene() -> None:
        settings = Settings.read({"SEEDVR2_API_URL": stub.url})
        stub.reply = lambda path: (200, b"x" * 1000)
        async with Api(settings.address) as api:
            (home / "folder").mkdir()
            assert await api.download("/x", lambda name: home / "folder" / "a.png") == home / "folder" / "a.png"
            # Somebody else's file came in between the check and the end.
            (home / "b.png").write_bytes(b"mine")
            with pytest.raises(ToolError, match=r"b\.png cannot be written: File exists"):
                await api.download("/x", lambda name: home / "b.png")
            with pytest.raises(ToolError, match="cannot be written: No such file or directory"):
                await api.download("/x", lambda name: home / "missing" / "c.png")

    play(scene)
    assert (home / "b.png").read_bytes() == b"mine"
    assert sorted(path.name for path in home.rglob("*")) == ["a.png", "b.png", "folder"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_disk_without_links_gets_a_result_too_over_no_other_file(
    stub: Stub, home: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    (home / "b.png").write_bytes(b"mine")
    stub.reply = lambda path: (200, b"x" * 1000)

    async def scene() -> None:
        async with Api(Settings.read({"SEEDVR2_API_URL": stub.url}).address) as api:
            await api.download("/x", lambda name: home / "a.png")
            with pytest.raises(ToolError, match=r"b\.png cannot be written: File exists"):
                await api.download("/x", lambda name: home / "b.png")

    play(scene)
    assert (home / "a.png").stat().st_size == 1000
    assert (home / "b.png").read_bytes() == b"mine"
    assert sorted(path.name for path in home.iterdir()) == ["a.png", "b.png"]


def test_trouble_of_the_disk_is_a_sentence(stub: Stub, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    class Failing(io.BytesIO):
        def read(self, _size: int | None = -1) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    stub.reply = lambda path: (200, b"x" * 1000)
    for name in ("link", "rename"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(Path, "unlink", refuse)

    async def scene() -> None:
        async with Api(Settings.read({"SEEDVR2_API_URL": stub.url}).address) as api:
            with pytest.raises(ToolError, match=r"a\.png cannot be written: Read-only file system"):
                await api.download("/x", lambda name: home / "a.png")
            with pytest.raises(ToolError, match=r"film\.mp4 cannot be read: Input/output error"):
                await api.upload(Failing(b"x" * 1000), "film.mp4", {})

    play(scene)
    assert not (home / "a.png").exists()


def test_only_allowed_files_reach_the_service(live: Host, home: Path, outside: Path, running: Running) -> None:
    picture(home / "照片 Ü.png")
    picture(outside / "other.png")

    async def scene() -> None:
        async with Client(live.parameters(), read_timeout_seconds=PATIENCE) as client:
            refused = await client.call_tool("submit_image_task", {"file_path": str(outside / "other.png")})
            assert refused.is_error
            assert "SEEDVR2_MCP_FOLDERS names others" in refused.content[0].text
            taken = await client.call_tool(
                "submit_image_task", {"file_path": "~/照片 Ü.png", "resolution": 96, "scale": 2, "strength": 0.5}
            )
            assert taken.structured_content is not None, taken.content
            done = running.finished(taken.structured_content["task_id"])
            assert done["original_filename"] == "照片 Ü.png"
            asked = {name: done["params"][name] for name in ("resolution", "scale", "strength", "softness")}
            assert asked == {"resolution": 96, "scale": 2.0, "strength": 0.5, "softness": 0.0}
            saved = await client.call_tool(
                "download_result", {"task_id": str(done["id"]), "path": str(home / "out.png")}
            )
            assert saved.structured_content == {
                "task_id": done["id"], "path": str(home / "out.png"),
                "bytes": Path(str(done["output_path"])).stat().st_size,
            }  # fmt: skip
            there = await client.call_tool("download_result", {"task_id": str(done["id"]), "path": "~/out.png"})
            assert there.is_error

    play(scene)


def test_a_large_file_is_streamed(stub: Stub, stubbed: Host, home: Path) -> None:
    size = 512 << 20
    with (home / "film.mp4").open("wb") as film:
        film.truncate(size)
    stub.replies["/api/process"] = (200, {"status": "queued", "task_id": "abc12345"})
    peak = home / "peak"
    # The process writes down its own peak of memory when it ends.
    # VmHWM and not ru_maxrss, which a process inherits from the one that started it.
    wrapper = f"import atexit,re,runpy,sys;sys.argv=[{str(SCRIPT)!r}];sys.path.insert(0,{str(SCRIPT.parent)!r});"
    wrapper += r"peak=lambda:re.search(r'VmHWM:\s+(\d+)',open('/proc/self/status').read())[1];"
    wrapper += f"atexit.register(lambda:open({str(peak)!r},'w').write(str(peak())));"
    wrapper += f"runpy.run_path({str(SCRIPT)!r},run_name='__main__')"

    async def scene() -> None:
        parameters = StdioServerParameters(
            command=sys.executable, args=["-c", wrapper], env=stubbed.environment, cwd=str(home)
        )
        async with Client(parameters, read_timeout_seconds=PATIENCE) as client:
            result = await client.call_tool("submit_video_task", {"file_path": str(home / "film.mp4")})
            assert result.structured_content == {"status": "queued", "task_id": "abc12345"}
        with anyio.fail_after(PATIENCE):
            while not peak.exists():
                await anyio.sleep(0.05)

    play(scene)
    assert stub.received > size
    assert int(peak.read_text()) < 300 << 10


def test_the_entry_says_what_it_can_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        mcp_server.main(["--help"])
    shown = capsys.readouterr().out
    for variable in ("SEEDVR2_API_URL", "SEEDVR2_SERVER_TOKEN", "SEEDVR2_MCP_FOLDERS", "SEEDVR2_MCP_TIMEOUT"):
        assert variable in shown
