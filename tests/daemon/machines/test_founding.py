"""`cluster init`, `add`, `list`, `remove`, `rotate`: what is written, for whom, and what is refused."""

from __future__ import annotations

import json
import os
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.__main__ import main
from daemon.cluster.building import make_executor
from daemon.cluster.certificates import Identity, expires, fits, issue
from daemon.cluster.secrets import check_secrets
from daemon.errors import ClusterError
from daemon.machines.join_file import JoinFile, read_join_file
from daemon.settings.config import load_config
from seedvr2.standard_folders import ROOT

FILES = ("ca.crt", "ca.key", "node.crt", "node.key", "token")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SEEDVR2_CONFIG", raising=False)
    (tmp_path / "outputs").mkdir()
    file = tmp_path / "config.toml"
    file.write_text('[cluster]\nmode = "head"\naddress = "192.0.2.10:8210"\n[model]\ndevice = "cpu"\n')
    return file


def _cluster(config: Path, *words: str) -> int:
    return main(["--config", str(config), "cluster", *words])


def _added(config: Path, name: str) -> JoinFile:
    file = config.with_name(f"{name}.join")
    words = [sys.executable, "-m", "daemon", "--config", str(config), "cluster", "add", name]
    with file.open("wb") as opened:
        subprocess.run(words, stdout=opened, stderr=subprocess.PIPE, cwd=ROOT, check=True)
    return read_join_file(file)


def test_the_secrets_are_for_their_owner_alone(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = config.parent / "state/cluster"
    assert _cluster(config, "init") == 0
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == dict.fromkeys(FILES, 0o600)
    token = (folder / "token").read_text()
    assert len(token) == 64 and int(token, 16) > 0 and token not in capsys.readouterr().out
    assert _cluster(config, "init") == 1
    assert "is there already" in capsys.readouterr().err and (folder / "token").read_text() == token
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    context.load_cert_chain(folder / "node.crt", folder / "node.key")


def test_a_head_does_not_start_without_secrets_or_with_open_ones(config: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'seedvr2d[cluster]'")
    folder = config.parent / "state/cluster"

    def start() -> None:
        make_executor(load_config(config, {}), [config.parent], lambda report: None)

    with pytest.raises(ClusterError, match="seedvr2d cluster init"):
        start()
    _cluster(config, "init")
    start()
    for name, mode in (("token", 0o640), ("node.key", 0o604), ("", 0o750)):
        path = folder / name
        before = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode)
        with pytest.raises(ClusterError, match=f"chmod {before:o}"):
            start()
        path.chmod(before)
    (folder / "ca.crt").unlink()
    with pytest.raises(ClusterError, match=r"ca\.crt is not there"):
        start()


@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]", "localhost"])
def test_a_head_that_no_machine_can_call_is_none(
    config: Path, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(config.read_text().replace("192.0.2.10", address))
    assert _cluster(config, "init") == 1
    assert 'mode = "local"' in capsys.readouterr().err
    # Ray would listen on every interface all the same, for everybody.
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'seedvr2d[cluster]'")
    with pytest.raises(ClusterError, match="seedvr2d cluster init"):
        make_executor(load_config(config, {}), [config.parent], lambda report: None)


def test_a_head_that_moved_gets_a_certificate_for_its_new_address(config: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'seedvr2d[cluster]'")
    folder = config.parent / "state/cluster"
    _cluster(config, "init")
    before = (folder / "node.crt").read_bytes()
    make_executor(load_config(config, {}), [config.parent], lambda report: None)
    assert (folder / "node.crt").read_bytes() == before
    config.write_text(config.read_text().replace("192.0.2.10", "192.0.2.99"))
    make_executor(load_config(config, {}), [config.parent], lambda report: None)
    shown, authority = (folder / "node.crt").read_bytes(), (folder / "ca.crt").read_bytes()
    assert fits(shown, authority, ["192.0.2.99", "127.0.0.1"]) and not fits(before, authority, ["192.0.2.99"])
    assert expires(shown).year - expires(authority).year == 0


def test_what_a_machine_gets(config: Path) -> None:
    _cluster(config, "init")
    made = _added(config, "studio-2")
    assert stat.S_IMODE(config.with_name("studio-2.join").stat().st_mode) == 0o600
    assert (made.name, made.address, made.port, made.lost_s) == ("studio-2", "192.0.2.10", 8210, 10.0)
    assert made.token == (config.parent / "state/cluster/token").read_text()
    assert made.versions["Python"] == f"{sys.version_info[0]}.{sys.version_info[1]}" and "PyTorch" in made.versions
    assert [mark.folder for mark in made.marks] == [str(config.parent / "outputs")] and made.share == "auto"
    # The machine makes a certificate for whatever address it has, and the authority is not in the file.
    node = issue(made.identity, "studio-2", ["192.0.2.77"])
    assert fits(node.chain, made.identity.chain, ["192.0.2.77"]) and not fits(
        node.chain, made.identity.chain, ["192.0.2.7"]
    )
    assert (config.parent / "state/cluster/ca.key").read_text() not in made.text()
    # An issuer signs no issuers.
    text = subprocess.run(["openssl", "x509", "-noout", "-ext", "basicConstraints"], input=made.issuer, text=True,
                          capture_output=True, check=True).stdout  # fmt: skip
    assert "pathlen:0" in text


def test_names_and_lists(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _cluster(config, "init")
    for name in ("../x", "Studio 2", "-a", "a" * 60, ""):
        assert subprocess.run(
            [sys.executable, "-m", "daemon", "--config", str(config), "cluster", "add", "--", name],
            capture_output=True, cwd=ROOT, check=False,
        ).returncode == 1, name  # fmt: skip
    _added(config, "studio-2")
    capsys.readouterr()
    assert _cluster(config, "list") == 0 and capsys.readouterr().out.startswith("studio-2  added ")
    assert _cluster(config, "remove", "studio-3") == 1 and "there are: studio-2" in capsys.readouterr().err
    assert _cluster(config, "remove", "studio-2") == 0
    # Ray knows one token for all: it is said that this alone locks nobody out.
    assert "still has the token" in capsys.readouterr().out
    assert _cluster(config, "list") == 0 and capsys.readouterr().out == ""


def test_new_secrets_make_the_old_ones_worthless(config: Path) -> None:
    _cluster(config, "init")
    folder, files = config.parent / "state/cluster", config.parent / "files"
    old = _added(config, "studio-2")
    assert _cluster(config, "rotate", "--files", str(files)) == 0
    new = read_join_file(files / "studio-2.join")
    assert stat.S_IMODE(files.stat().st_mode) == 0o700
    assert new.token != old.token and new.authority != old.authority
    assert new.token == (folder / "token").read_text() and new.authority == (folder / "ca.crt").read_text()
    # Neither of both takes what the other one has signed.
    for authority, issuer in ((new.authority, old.identity), (old.authority, new.identity)):
        assert not fits(issuer.chain, authority.encode(), [])
    check_secrets(folder, FILES)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of others")
def test_what_root_makes_belongs_to_the_user_of_the_service(config: Path) -> None:
    state = config.parent / "state"
    state.mkdir()
    os.chown(state, 4711, 4711)
    _cluster(config, "init")
    assert {path.stat().st_uid for path in (state / "cluster", *(state / "cluster").iterdir())} == {4711}


def test_a_file_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "x.join"
    for text in (
        "",
        "[]",
        "{}",
        '{"format": "seedvr2d-join-2"}',
        json.dumps({"format": "seedvr2d-join-1", "marks": []}),
    ):
        file.write_text(text)
        file.chmod(0o600)
        with pytest.raises(ClusterError, match="make it anew"):
            read_join_file(file)
    with pytest.raises(ClusterError, match="is not there"):
        read_join_file(tmp_path / "y.join")
    assert not fits(b"none", b"none", []) and Identity(b"", b"").chain == b""
