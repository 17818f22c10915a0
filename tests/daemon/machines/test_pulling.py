"""A model fetched on a machine that joined, into the folder of its own configuration. Needs root."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from tests.daemon.engine.test_pulls import GOLDEN, MODEL, TEXT
from tests.daemon.machines.lan import HEAD, made_lan, wait_for

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None, reason="network namespaces need root and ip"),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray (the extra `cluster`) is not installed"),
]
DAEMON = (sys.executable, "-m", "daemon")
NEXT = "seedvr2_ema_3b-Q5_K_M.gguf"
# Has two models, and gives out no more than half of anything once the first one is there.
_HUB = """
import sys, time
from pathlib import Path
from seedvr2.catalogue.registry import find
from tests.seedvr2.catalogue.hub import running_hub
content, there, *names = sys.argv[1:]
with running_hub() as hub:
    for name in names:
        hub.add(find(name).repo, name, Path(content).read_bytes())
    print(hub.url, flush=True)
    while not Path(there).exists():
        time.sleep(0.05)
    hub.gate.clear()
    time.sleep(600)
"""


def test_it_is_fetched_there_and_told_as_failed_when_the_machine_is_cut_off(tmp_path: Path) -> None:
    head, other = tmp_path / "head/config.toml", tmp_path / "other/config.toml"
    models = tmp_path / "other/models"
    for folder in (head.parent, models):
        folder.mkdir(parents=True)
    head.write_text(f'[cluster]\nmode = "head"\naddress = "{HEAD}:8210"\ngpus = "none"\nlost_s = 5\n')
    other.write_text('[model]\ndevice = "cpu"\ndefault = "nano"\n')
    # What a model needs is there already.
    shutil.copy(GOLDEN / "vae/weights.safetensors", models / "vae.safetensors")
    (models / TEXT).write_bytes(b"whatever: it is only looked for")
    runtime = Path(f"/tmp/s2d-{os.getpid()}")
    with made_lan(tmp_path) as lan:
        hub_log, log, joining = (tmp_path / name for name in ("hub.log", "daemon.log", "join.log"))
        content = str(GOLDEN / "quant/model-Q6_K.gguf")
        hub = lan.start(1, sys.executable, "-c", _HUB, content, str(models / MODEL), MODEL, NEXT, log=hub_log)
        endpoint = wait_for(hub_log, "\n", hub).strip()
        assert lan.run(0, *DAEMON, "--config", str(head), "cluster", "init").returncode == 0
        daemon = lan.start(0, *DAEMON, "--config", str(head), log=log)
        wait_for(log, "8200", daemon)
        adding = f"{' '.join(DAEMON)} --config {head} cluster add studio-2 > {tmp_path}/studio-2.join"
        assert lan.run(0, "sh", "-c", adding).returncode == 0
        reach = f"import socket; socket.create_connection(('{HEAD}', 8210), 1)"
        assert any(lan.run(0, sys.executable, "-c", f"import time; time.sleep(0.5); {reach}").returncode == 0
                   for _ in range(60))  # fmt: skip
        runtime.mkdir()
        try:
            words = ("--config", str(other), "join", str(tmp_path / "studio-2.join"), "--gpus", "0")
            joined = lan.start(1, *DAEMON, *words, log=joining, RUNTIME_DIRECTORY=str(runtime), HF_ENDPOINT=endpoint)
            wait_for(joining, "takes part", joined)
            pull = (*DAEMON, "--config", str(head), "pull", "--machine", "studio-2")
            # The gateway looks around once a second.
            answers = (lan.run(0, *pull, "3b-q6", timeout_s=120) for _ in iter(lambda: time.sleep(1), 1))
            ended = next(each for each in answers if "no machine 'studio-2'" not in each.stderr)
            assert (ended.returncode, ended.stdout) == (0, f"{MODEL}  done\n"), ended.stderr
            assert (models / MODEL).read_bytes() == Path(content).read_bytes()
            waiting = lan.start(0, *pull, NEXT, log=tmp_path / "pull.log")
            deadline = time.monotonic() + 60
            while not list(models.glob(f".{NEXT}.*.part")) and time.monotonic() < deadline:
                time.sleep(0.1)
            lan.cable("down")
            said = wait_for(tmp_path / "pull.log", "failed", timeout_s=60)
            assert waiting.wait(30) == 1
        finally:
            lan.end(1)
            shutil.rmtree(runtime)
    assert f"The download of {NEXT} on studio-2 was broken off" in said
