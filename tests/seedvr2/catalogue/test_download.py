"""Fetching from a real server on this machine: resuming, checking, refusing."""

from __future__ import annotations

import hashlib
import random
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from seedvr2.catalogue import PublishedFile, find
from seedvr2.catalogue.download import fetch
from seedvr2.errors import Cancelled, DownloadError
from tests.seedvr2.catalogue.hub import Hub

NAME = "model.gguf"
# The client hands on pieces of 10 MB: less would arrive in one go.
PIECE = 10 * 1024 * 1024
CONTENT = random.Random(1).randbytes(2 * PIECE + 3_000_000)
PATH = "/owner/repo/resolve/main/model.gguf"


def published(content: bytes = CONTENT, **changes: object) -> PublishedFile:
    facts = {"name": NAME, "repo": "owner/repo", "bytes": len(content), "revision": "main", "path": ""}
    facts |= {"sha256": hashlib.sha256(content).hexdigest()}
    return replace(find("3b-q8"), **(facts | changes))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_arrives_whole_and_alone(hub: Hub, tmp_path: Path) -> None:
    hub.files[PATH] = CONTENT
    seen: list[tuple[str, int, int]] = []
    fetch(published(), tmp_path / "new/folder" / NAME, report=lambda *what: seen.append(what))
    assert (tmp_path / "new/folder" / NAME).read_bytes() == CONTENT
    assert names(tmp_path / "new/folder") == [NAME]
    assert [seen[0][0], *seen[-1]] == ["fetching", "verifying", len(CONTENT), len(CONTENT)]


def test_a_later_run_goes_on_where_the_first_one_stopped(hub: Hub, tmp_path: Path) -> None:
    hub.files[PATH] = CONTENT

    def stop(stage: str, done: int, total: int) -> None:
        if done > PIECE:
            raise Cancelled

    with pytest.raises(Cancelled):
        fetch(published(), tmp_path / NAME, report=stop)
    (part,) = tmp_path.iterdir()
    kept = part.stat().st_size
    assert part.name.startswith(f".{NAME}.") and part.name.endswith(".part") and kept == PIECE
    hub.requests.clear()
    fetch(published(), tmp_path / NAME)
    assert ("GET", PATH, f"bytes={kept}-") in hub.requests
    assert (tmp_path / NAME).read_bytes() == CONTENT and names(tmp_path) == [NAME]


@pytest.mark.parametrize("rudely", [False, True])
def test_connections_that_break_are_taken_up_again(hub: Hub, tmp_path: Path, rudely: bool) -> None:
    hub.files[PATH] = CONTENT
    hub.reset = rudely
    hub.drop_after = [PIECE + 1000, PIECE + 2000]
    fetch(published(), tmp_path / NAME)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert [wanted for method, _, wanted in hub.requests if method == "GET"][1:] == [
        f"bytes={PIECE}-",
        f"bytes={2 * PIECE}-",
    ]


def test_a_connection_that_brings_nothing_is_given_up(hub: Hub, tmp_path: Path) -> None:
    hub.files[PATH] = CONTENT
    hub.reset = True
    hub.drop_after = [100] * 50
    with pytest.raises(DownloadError, match=r"model\.gguf could not be fetched"):
        fetch(published(), tmp_path / NAME)
    assert len(hub.fetched()) < 10


def test_a_server_without_ranges_is_asked_for_everything_again(hub: Hub, tmp_path: Path) -> None:
    hub.files[PATH] = CONTENT
    hub.drop_after = [PIECE + 1000]
    hub.ranges = False
    fetch(published(), tmp_path / NAME)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_damaged_file_is_thrown_away_and_says_so(hub: Hub, tmp_path: Path) -> None:
    hub.files[PATH] = CONTENT
    hub.damage[PATH] = CONTENT[:-1] + b"!"
    with pytest.raises(DownloadError, match=r"model\.gguf arrived damaged from http://.*thrown away; try again"):
        fetch(published(), tmp_path / NAME)
    assert names(tmp_path) == []


def test_the_hubs_own_hash_is_checked_where_none_is_published(hub: Hub, tmp_path: Path) -> None:
    hub.files[PATH] = CONTENT
    hub.damage[PATH] = CONTENT[:-1] + b"!"
    with pytest.raises(DownloadError, match="arrived damaged"):
        fetch(published(sha256=None), tmp_path / NAME)
    hub.damage.clear()
    fetch(published(sha256=None), tmp_path / NAME)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_file_that_was_replaced_upstream_is_not_even_fetched(hub: Hub, tmp_path: Path) -> None:
    hub.files[PATH] = b"newer weights"
    with pytest.raises(DownloadError, match=r"has changed since this version.*Nothing was fetched"):
        fetch(published(), tmp_path / NAME)
    assert hub.fetched() == [] and names(tmp_path) == []


def test_a_part_of_other_content_is_not_continued(hub: Hub, tmp_path: Path) -> None:
    hub.files[PATH] = CONTENT
    older = hashlib.sha256(b"older").hexdigest()[:12]
    (tmp_path / f".{NAME}.{older}.part").write_bytes(b"x" * 1000)
    fetch(published(), tmp_path / NAME)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_part_that_is_too_long_is_started_anew(hub: Hub, tmp_path: Path) -> None:
    hub.files[PATH] = CONTENT
    part = tmp_path / f".{NAME}.{hashlib.sha256(CONTENT).hexdigest()[:12]}.part"
    part.write_bytes(b"x" * (len(CONTENT) + 1))
    fetch(published(), tmp_path / NAME)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_file_that_is_not_there_is_one_clear_error(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(DownloadError) as caught:
        fetch(published(), tmp_path / NAME)
    message = str(caught.value)
    assert message.startswith(f"{NAME} could not be fetched from {hub.url}{PATH} (the server answered 404).")
    assert str(tmp_path) in message and "\n" not in message
    assert names(tmp_path) == []


def test_no_network_is_one_clear_error(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(DownloadError) as caught:
        fetch(published(), tmp_path / NAME, endpoint=nobody)
    message = str(caught.value)
    assert NAME in message and f"{nobody}{PATH}" in message and f"put it into {tmp_path}" in message


def test_a_mirror_serves_where_the_hub_does_not(hub: Hub, tmp_path: Path) -> None:
    hub.files["/elsewhere/pos_emb.pt"] = CONTENT
    fetch(published(mirrors=(f"{hub.url}/elsewhere/pos_emb.pt",)), tmp_path / NAME)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_mirror_is_checked_too(hub: Hub, tmp_path: Path) -> None:
    hub.files["/elsewhere/pos_emb.pt"] = b"something else"
    with pytest.raises(DownloadError, match=f"from {hub.url}{PATH}"):
        fetch(published(mirrors=(f"{hub.url}/elsewhere/pos_emb.pt",)), tmp_path / NAME)
    assert names(tmp_path) == []


def test_a_disk_that_is_too_small_is_said_before_anything_is_fetched(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"needs \d+\.\d GB more, but the disk of .* free; make room"):
        fetch_huge(hub, tmp_path)
    assert hub.fetched() == []


def fetch_huge(hub: Hub, folder: Path) -> None:
    # A length that no disk has, on the real header of a real answer.
    class Claim(bytes):
        def __len__(self) -> int:
            return 10**18

    hub.files[PATH] = Claim(CONTENT)
    fetch(published(sha256=None), folder / NAME)


def test_a_folder_that_cannot_be_written_to_is_said(hub: Hub, tmp_path: Path) -> None:
    hub.files[PATH] = CONTENT
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DownloadError, match=r"model\.gguf cannot be written to .*file.*name another folder"):
        fetch(published(), tmp_path / "file" / NAME)


def test_a_disk_that_fills_up_is_said_and_not_tried_again(hub: Hub, tmp_path: Path) -> None:
    hub.files[PATH] = CONTENT
    # Writing beyond a process's limit on file sizes fails like a full disk does.
    program = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from tests.seedvr2.catalogue.test_download import NAME, fetch, published\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, 5_000_000))\n"
        f"fetch(published(), Path({str(tmp_path)!r}) / NAME, endpoint={hub.url!r})"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "DownloadError: model.gguf cannot be written to" in ended.stderr
    assert len(hub.fetched()) == 1


def test_a_file_that_appeared_meanwhile_is_left_alone(hub: Hub, tmp_path: Path) -> None:
    hub.files[PATH] = CONTENT

    def interfere(stage: str, done: int, total: int) -> None:
        if stage == "verifying":
            (tmp_path / NAME).write_bytes(b"mine")

    with pytest.raises(DownloadError, match=r"appeared while it was being fetched and was left alone"):
        fetch(published(), tmp_path / NAME, report=interfere)
    assert (tmp_path / NAME).read_bytes() == b"mine"


def test_two_at_once_do_not_write_into_one_file(hub: Hub, tmp_path: Path) -> None:
    hub.files[PATH] = CONTENT
    problems = []

    def again(stage: str, done: int, total: int) -> None:
        if not problems:
            with pytest.raises(DownloadError) as caught:
                fetch(published(), tmp_path / NAME)
            problems.append(str(caught.value))

    fetch(published(), tmp_path / NAME, report=again)
    assert problems == [f"{NAME} is being fetched by another process; wait for it to end."]
    assert (tmp_path / NAME).read_bytes() == CONTENT
