"""The Debian package: built, looked into, unpacked and started; its scripts keep their hands off what is the user's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.packaging.sources import ROOT, clean_environment

SCRIPTS = ROOT / "packaging" / "debian"
NAMES = ("postinst", "prerm", "postrm")


@pytest.mark.parametrize("script", [*NAMES, "../build-deb"])
def test_the_scripts_are_shell(script: str) -> None:
    subprocess.run(["sh", "-n", SCRIPTS / script], check=True)
    assert os.access(SCRIPTS / script, os.X_OK)


def test_nothing_of_the_user_is_ever_deleted() -> None:
    for name in NAMES:
        text = (SCRIPTS / name).read_text(encoding="utf-8")
        assert not re.search(r"\b(rm|rmdir|unlink|find|userdel|deluser)\b", text), name


@pytest.mark.parametrize(
    ("script", "words", "asked"),
    [
        ("prerm", ["remove"], ["disable --now seedvr2d.service"]),
        ("prerm", ["upgrade", "2"], []),
        ("postrm", ["purge"], ["daemon-reload"]),
        ("postinst", ["configure", ""], ["daemon-reload", "enable seedvr2d.service", "is-enabled", "restart"]),
        ("postinst", ["configure", "1"], ["daemon-reload", "is-enabled", "restart"]),
    ],
)
def test_what_the_scripts_do(script: str, words: list[str], asked: list[str], tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("systemctl", "useradd", "install", "chgrp", "chmod", "getent"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $@" >> {tmp_path}/asked\n')
        (programs / name).chmod(0o755)
    # As on a machine with systemd, and no folder of the service.
    text = (SCRIPTS / script).read_text().replace("/run/systemd/system", str(tmp_path))
    text = text.replace("/var/lib/", f"{tmp_path}/lib/").replace("/srv/", f"{tmp_path}/srv/")
    subprocess.run(["sh", "-c", text, script, *words], check=True, env={"PATH": f"{programs}:/usr/bin:/bin"})
    calls = (tmp_path / "asked").read_text().splitlines() if (tmp_path / "asked").exists() else []
    found = [call.removeprefix("systemctl ") for call in calls if call.startswith("systemctl ")]
    assert len(found) == len(asked) and all(call.startswith(each) for call, each in zip(found, asked, strict=True))
    folders = [call.split()[-1] for call in calls if call.startswith("install -d")]
    wanted = [tmp_path / "lib/seedvr2d", tmp_path / "srv/seedvr2d/inbox", tmp_path / "srv/seedvr2d/outputs"]
    assert folders == ([str(each) for each in wanted] if script == "postinst" else [])


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("dpkg-deb") or not Path("/usr/bin/python3").exists(), reason="this is no Debian")
def test_a_package_is_built_and_its_program_starts(tmp_path: Path) -> None:
    pip = Path(sys.executable).with_name("pip")
    built = subprocess.run(
        [ROOT / "packaging" / "build-deb", tmp_path / "build"],
        env=clean_environment(PIP=str(pip), ZSTD_LEVEL="1"), stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    package = Path(built.stdout.strip())
    assert [path.name for path in (tmp_path / "build").iterdir()] == [package.name]
    control = subprocess.run(["dpkg-deb", "-f", package], capture_output=True, text=True, check=True).stdout
    assert re.search(r"(?m)^Depends: python3\.\d+, passwd$", control)
    root = tmp_path / "root"
    subprocess.run(["dpkg-deb", "-x", package, root], check=True)
    subprocess.run(["dpkg-deb", "-e", package, tmp_path / "control"], check=True)
    assert (tmp_path / "control" / "conffiles").read_text() == "/etc/seedvr2d/config.toml\n"
    paths = tomllib.loads((root / "etc/seedvr2d/config.toml").read_text())["paths"]
    assert (paths["inbox"], paths["state"]) == ("/srv/seedvr2d/inbox", "/var/lib/seedvr2d")
    unit = (root / "usr/lib/systemd/system/seedvr2d.service").read_text()
    assert "\nExecStart=/opt/seedvr2d/bin/seedvr2d --config /etc/seedvr2d/config.toml\n" in unit
    for name in ("seedvr2", "seedvr2d", "seedvr2-mcp"):
        assert (root / "usr/bin" / name).readlink() == Path(f"/opt/seedvr2d/bin/{name}")
        assert (root / "opt/seedvr2d/bin" / name).read_text().startswith("#!/opt/seedvr2d/bin/python")
    texts = [*(root / "opt/seedvr2d/bin").iterdir(), root / "opt/seedvr2d/pyvenv.cfg"]
    assert not [path.name for path in texts if not path.is_symlink() and str(tmp_path).encode() in path.read_bytes()]
    python = root / "opt/seedvr2d/bin/python"
    image = ROOT / "docs" / "images" / "page.png"
    words = [python, "-m", "seedvr2", "upscale", image, tmp_path / "out.png", "--resolution", "64", "--model", "nano"]
    subprocess.run(words, env=clean_environment(HOME=str(tmp_path)), cwd=tmp_path, check=True)
    assert (tmp_path / "out.png").is_file()
