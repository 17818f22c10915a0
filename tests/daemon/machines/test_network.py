"""`cluster init`, `cluster add`, `join` on two machines, as an attacker and an accident see them. Needs root."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.cluster.member import PORTS
from tests.daemon.cluster.conftest import listening
from tests.daemon.conftest import eventually
from tests.daemon.machines.lan import HEAD, HEAD_6, OTHER, OTHER_6, Lan, made_lan, wait_for

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None, reason="network namespaces need root and ip"),
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'seedvr2d[cluster]'"
    ),
]
PORT = 8210
DAEMON = (sys.executable, "-m", "daemon")
# Ray's head as the service starts it.
_HEAD = """
import os, sys
from pathlib import Path
from daemon.cluster.building import _environment
from daemon.cluster.head import command
from daemon.settings.config import load_config
config = load_config(Path(sys.argv[1]))
words = [*command(config.cluster, 0), "--temp-dir", sys.argv[2]]
os.execve(words[0], words, {**os.environ, **_environment(config, [])})
"""
# Somebody at the head, who has pixels go to the other machine and back.
_WORK = """
import os, sys, time
from pathlib import Path
from daemon.cluster.building import _environment
from daemon.settings.config import load_config
os.environ.update(_environment(load_config(Path(sys.argv[1])), []))
import ray
ray.init(address=sys.argv[2], log_to_driver=False)
while len([node for node in ray.nodes() if node["Alive"]]) < 2:
    time.sleep(0.1)
print("machines", sorted(node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]), flush=True)
pixels = b"these are the pixels" * 200_000
@ray.remote(num_gpus=1, num_cpus=0)
def turned(data): return data[::-1]
print("same", ray.get(turned.remote(pixels), timeout=30) == pixels[::-1], flush=True)
print("labels", [node["Labels"].get("seedvr2d-machine") for node in ray.nodes()], flush=True)
while True:
    print(time.time(), len([node for node in ray.nodes() if node["Alive"]]), flush=True)
    time.sleep(0.2)
"""


@pytest.fixture(scope="module")
def lan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lan]:
    with made_lan(tmp_path_factory.mktemp("lan")) as made:
        yield made


@pytest.fixture(scope="module")
def head(lan: Lan) -> Path:
    """The configuration of a head that runs."""
    return _head_runs(lan, "head", f"{HEAD}:{PORT}")


def _head_runs(lan: Lan, name: str, address: str) -> Path:
    config = _configured(lan.folder / name, "head", address)
    made = lan.run(0, *DAEMON, "--config", str(config), "cluster", "init")
    assert made.returncode == 0, made.stderr
    log = lan.folder / f"{name}.log"
    process = lan.start(0, sys.executable, "-c", _HEAD, str(config), _short(name[0]), log=log)
    wait_for(log, "block forever", process)
    return config


@pytest.fixture(scope="module")
def file(lan: Lan, head: Path) -> Path:
    """What the other machine joins with."""
    return _added(lan, head, "studio-2")


def _added(lan: Lan, head: Path, name: str) -> Path:
    path = lan.folder / f"{name}.join"
    made = lan.run(0, "sh", "-c", f"{' '.join(DAEMON)} --config {head} cluster add {name} > {path}")
    assert made.returncode == 0 and "scp" in made.stderr, made.stderr
    assert path.stat().st_mode & 0o777 == 0o600
    return path


def _configured(folder: Path, mode: str = "off", address: str = f"{HEAD}:{PORT}") -> Path:
    folder.mkdir()
    (folder / "outputs").mkdir()
    file = folder / "config.toml"
    file.write_text(f'[cluster]\nmode = "{mode}"\naddress = "{address}"\ngpus = "none"\n')
    return file


def _short(name: str) -> str:
    """A folder for Ray's sockets, whose paths are not longer than the system takes."""
    return f"/tmp/s2d-{os.getpid()}-{name}"


@pytest.fixture(scope="module")
def other(lan: Lan) -> Iterator[tuple[str, ...]]:
    """How the other machine joins, but for the file."""
    config = _configured(lan.folder / "other")
    yield (*DAEMON, "--config", str(config), "join", "--gpus", "0")
    for name in ("h", "o", "s"):
        shutil.rmtree(_short(name), ignore_errors=True)


def _refusal(lan: Lan, other: tuple[str, ...], file: Path, **changes: Any) -> str:
    """The sentence with which a changed file is refused."""
    changed = file.with_name("changed.join")
    changed.write_text(json.dumps(json.loads(file.read_text()) | changes))
    changed.chmod(0o600)
    began = time.monotonic()
    tried = lan.run(1, *other, "--check", str(changed), timeout_s=40)
    assert tried.returncode == 1 and time.monotonic() - began < 20, tried.stdout
    return tried.stderr


@pytest.mark.long
def test_what_is_not_of_this_cluster_is_told_within_seconds(
    lan: Lan, head: Path, file: Path, other: tuple[str, ...]
) -> None:
    stated = json.loads(file.read_text())
    assert "another cluster" in _refusal(lan, other, file, authority=_foreign()["authority"])
    assert "does not take the certificate" in _refusal(
        lan, other, file, **(_foreign() | {"authority": stated["authority"]})
    )
    assert "The token of this file is not" in _refusal(lan, other, file, token="0" * 64)
    versions = stated["versions"] | {"Ray": "2.1.0", "Python": "3.19"}
    told = _refusal(lan, other, file, versions=versions)
    assert "pip install 'ray==2.1.0'" in told and "python3.19" in told
    assert "Nothing listens at 10.77.31.1:9999" in _refusal(lan, other, file, port=9999)
    assert "does not answer within 5 s" in _refusal(lan, other, file, address="10.77.31.77")
    file.chmod(0o644)
    tried = lan.run(1, *other, "--check", str(file))
    file.chmod(0o600)
    assert tried.returncode == 1 and "chmod 600" in tried.stderr


def pids_in(lan: Lan, which: int) -> list[int]:
    """The processes of a machine."""
    words = ["ip", "netns", "pids", lan.names[which]]
    return [int(pid) for pid in subprocess.check_output(words, text=True).split()]


def test_a_head_listens_where_a_firewall_was_told_it_does(lan: Lan, head: Path) -> None:
    pids = pids_in(lan, 0)
    found = listening(pids, Path(f"/proc/{pids[0]}/net"))
    assert (HEAD, PORT + 3) in found and PORT in {port for _, port in found}
    assert {port for _, port in found} <= set(range(PORT, PORT + PORTS))


def test_a_head_without_tls_is_none(lan: Lan, head: Path, file: Path, other: tuple[str, ...]) -> None:
    serving = "import http.server; http.server.test(http.server.SimpleHTTPRequestHandler, port=8400)"
    log = lan.folder / "plain.log"
    plain = lan.start(0, sys.executable, "-uc", serving, log=log)
    wait_for(log, "Serving", plain)
    assert "does not speak TLS" in _refusal(lan, other, file, port=8400)
    plain.kill()
    plain.wait()


def _foreign() -> dict[str, str]:
    from daemon.cluster.certificates import new_authority, new_issuer

    authority = new_authority()
    issuer = new_issuer(authority, "studio-2")
    texts = {"authority": authority.chain, "issuer": issuer.chain, "issuer_key": issuer.key}
    return {name: text.decode("ascii") for name, text in texts.items()}


@pytest.mark.long
def test_machines_with_ipv6_addresses_come_together(lan: Lan, other: tuple[str, ...]) -> None:
    # Before the cable is pulled: that takes these addresses away.
    six = _head_runs(lan, "six", f"[{HEAD_6}]:8410")
    file, log, work = _added(lan, six, "studio-6"), lan.folder / "other-6.log", lan.folder / "work-6.log"
    runtime = Path(_short("o"))
    runtime.mkdir(exist_ok=True)
    joined = lan.start(1, *other, str(file), log=log, RUNTIME_DIRECTORY=str(runtime))
    said = wait_for(log, "takes part", joined)
    assert f"[{HEAD_6}]:8410 answers; this machine is {OTHER_6} to it." in said
    working = lan.start(0, sys.executable, "-c", _WORK, str(six), f"[{HEAD_6}]:8410", log=work)
    said = wait_for(work, "labels", working)
    assert f"machines {[HEAD_6, OTHER_6]}" in said and "same True" in said and "'studio-6'" in said
    working.terminate()
    working.wait()
    # Whatever ends `join`, the machine does not go on taking part, and it may join anew.
    joined.kill()
    joined.wait()
    eventually(lambda: not pids_in(lan, 1))
    again = lan.run(1, *other, "--check", str(file), RUNTIME_DIRECTORY=str(runtime))
    assert again.returncode == 0, again.stderr


@pytest.mark.long
def test_work_goes_to_a_machine_that_joined_and_the_cable_tells_nothing(
    lan: Lan, head: Path, file: Path, other: tuple[str, ...]
) -> None:
    heard, log, work = lan.folder / "heard", lan.folder / "other.log", lan.folder / "work.log"
    runtime = Path(_short("o"))
    runtime.mkdir(exist_ok=True)
    with lan.sniffed(heard):
        joined = lan.start(1, *other, str(file), log=log, RUNTIME_DIRECTORY=str(runtime))
        said = wait_for(log, "takes part", joined)
        assert "TLS: both certificates are of this cluster." in said and f"this machine is {OTHER}" in said
        assert "outputs of the daemon is shared" in said
        working = lan.start(0, sys.executable, "-c", _WORK, str(head), f"{HEAD}:{PORT}", log=work)
        said = wait_for(work, "labels", working)
        assert "same True" in said and "'studio-2'" in said
    bytes_heard, token = heard.read_bytes(), json.loads(file.read_text())["token"].encode()
    assert len(bytes_heard) > 4_000_000
    assert token not in bytes_heard and b"these are the pixels" not in bytes_heard and b"slexip eht" not in bytes_heard

    # The cable is pulled: the machine is given up within `lost_s`, and leaves by itself when it is plugged in again.
    wait_for(work, " 2\n", working)
    lan.cable("down")
    began = time.monotonic()
    wait_for(work, " 1\n", working, timeout_s=15)
    assert time.monotonic() - began < 12
    lan.cable("up")
    assert joined.wait(40) == 1
    assert "Ray has ended" in log.read_text()
    working.kill()
    working.wait()
