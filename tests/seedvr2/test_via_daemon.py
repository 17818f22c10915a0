"""`upscale --via-daemon`, and the word that a daemon runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from rest_client.address import Address
from seedvr2.catalogue.fetched import note_fetched
from seedvr2.cli import main
from seedvr2.errors import MediaError, OptionError
from seedvr2.via_daemon import daemon_address, runs_here
from tests.daemon.conftest import Running, Start, picture
from tests.daemon.conftest import running as running
from tests.daemon.conftest import start as start


@pytest.fixture
def here(running: Running, monkeypatch: pytest.MonkeyPatch) -> Running:
    monkeypatch.setenv("SEEDVR2D_URL", running.service.url)
    return running


def test_a_folder_is_made_by_the_daemon(here: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "mine", tmp_path / "out"
    picture(source / "a.png"), picture(source / "b.png", "red")
    here.executor.errors.append(MediaError("a.png is damaged."))
    assert main(["upscale", str(source), str(out), "--via-daemon", "--batch_size", "1", "--quiet"]) == 1
    said = capsys.readouterr()
    assert said.err == "a.png: a.png is damaged.\n"
    assert said.out.startswith(f"{out / 'b.png'}  64x48  ")
    with Image.open(out / "b.png") as image:
        assert image.size == (64, 48)
    (job,) = [job for job in here.history() if job.draft.original_filename == "b.png"]
    assert job.draft.options["batch_size"] == 1


def test_a_name_may_hold_bytes_that_are_no_characters(here: Running, tmp_path: Path) -> None:
    source = picture(tmp_path / "a.png").rename(tmp_path / os.fsdecode(b"caf\xe9.png"))
    command = [sys.executable, "-m", "seedvr2", "upscale", source, f"{tmp_path}/out/", "--via-daemon", "--quiet"]
    ended = subprocess.run(command, capture_output=True, check=True)
    assert b"/out/caf\xe9.png  64x48  " in ended.stdout
    assert (tmp_path / "out" / source.name).is_file()


def test_the_name_of_the_result_says_its_format(here: Running, tmp_path: Path) -> None:
    source = picture(tmp_path / "mine" / "a.png")
    assert main(["upscale", str(source), str(tmp_path / "a.jpeg"), "--via-daemon", "--quiet"]) == 0
    assert (tmp_path / "a.jpeg").is_file()
    (job,) = here.history()
    assert job.draft.options["output_format"] == "jpg"


def test_what_is_wrong_ends_it(here: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = picture(tmp_path / "mine" / "a.png")
    words = ["upscale", str(source), str(tmp_path / "out.png"), "--via-daemon"]
    assert main([*words, "--model", "none"]) == 2
    assert "There is no model none" in capsys.readouterr().err
    assert main([*words, "--dtype", "float32"]) == 2
    assert "--dtype is the daemon's own choice" in capsys.readouterr().err
    assert main([*words, "--models-dir", str(tmp_path)]) == 2
    assert "--models-dir is the daemon's own choice; leave it out with --via-daemon." in capsys.readouterr().err
    assert not here.history()


def test_a_preset_of_the_daemon_is_taken(here: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here.service.context.presets.save("small", {"resolution": 48, "seed": 7, "output_format": "webp"})
    source = picture(tmp_path / "mine" / "a.png")
    words = ["upscale", str(source), f"{tmp_path}/out/", "--preset", "small", "--quiet"]
    assert main([*words, "--via-daemon", "--seed", "8"]) == 0
    # The format of the preset names the result, too.
    assert (tmp_path / "out" / "a.webp").is_file()
    (job,) = here.history()
    asked = {name: job.draft.options[name] for name in ("resolution", "seed", "output_format")}
    assert asked == {"resolution": 48, "seed": 8, "output_format": "webp"}
    assert main([*words, "--via-daemon", "--output-format", "jpg"]) == 0
    assert (tmp_path / "out" / "a.jpg").is_file()
    capsys.readouterr()
    assert main(words) == 2
    assert (
        capsys.readouterr().err == "seedvr2: --preset names one of the daemon's presets; give --via-daemon with it.\n"
    )
    words[words.index("small")] = "smal"
    assert main([*words, "--via-daemon"]) == 2
    assert capsys.readouterr().err == "seedvr2: There is no preset 'smal'. Did you mean 'small'?\n"
    assert len(here.history()) == 2


def test_no_daemon_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEEDVR2D_URL", "http://127.0.0.1:9")
    source = picture(tmp_path / "a.png")
    assert main(["upscale", str(source), str(tmp_path / "out.png"), "--via-daemon"]) == 1
    assert "No SeedVR2 server answers at http://127.0.0.1:9." in capsys.readouterr().err


def test_that_a_daemon_runs_is_found_out(here: Running) -> None:
    assert runs_here(Address(here.service.url))
    assert not runs_here(Address("http://127.0.0.1:9"))
    assert not runs_here(Address("http://example.org"))
    assert daemon_address({"PORT": "8300"}).url == "http://127.0.0.1:8300"
    assert daemon_address({"SEEDVR2D_URL": "http://nas:1", "SEEDVR2_SERVER_TOKEN": "t"}).token == "t"
    with pytest.raises(OptionError, match="SEEDVR2D_URL takes an address"):
        daemon_address({"SEEDVR2D_URL": "nas"})


def test_a_daemon_at_another_address_of_this_machine_is_found(start: Start) -> None:
    running = start(SEEDVR2_SERVER_HOST="127.0.0.2", SEEDVR2_SERVER_TOKEN="a-long-secret")
    assert runs_here(Address(running.service.url)) and "//127.0.0.2:" in running.service.url
    # One that this machine does not have.
    assert not runs_here(Address("http://192.0.2.7:8200"))


def test_the_configuration_says_where_the_daemon_is(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[server]\nport = 9000\ntoken = "hush"\n')
    configured = {"SEEDVR2_CONFIG": str(file)}
    asked = daemon_address(configured)
    assert (asked.url, asked.token) == ("http://127.0.0.1:9000", "hush")
    asked = daemon_address(configured | {"PORT": "9001", "SEEDVR2_SERVER_TOKEN": "mine"})
    assert (asked.url, asked.token) == ("http://127.0.0.1:9001", "mine")
    assert daemon_address(configured | {"SEEDVR2_SERVER_HOST": "192.0.2.7"}).url == "http://192.0.2.7:9000"
    file.write_text('[server]\nhost = "::"\ntoken = "hush"\n')
    assert daemon_address(configured).url == "http://[::1]:8200"
    # What is configured for one daemon is not told to another.
    assert daemon_address(configured | {"SEEDVR2D_URL": "http://nas:1"}).token == ""


def fetched(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(b"weights")
    note_fetched(path)
    return path


def test_a_model_that_the_daemon_uses_is_not_removed_behind_its_back(
    here: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "seedvr2_ema_3b-Q6_K.gguf"
    theirs, other = fetched(here.config.paths.models[0], name), fetched(tmp_path / "other", name)
    here.executor.model = name
    remove = ["models", "rm", "3b-q6", "--models-dir"]
    assert main([*remove, str(theirs.parent)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"The daemon at {here.service.url} refuses: {name} is in memory; release it first")
    assert theirs.exists()
    # One of the same name in a folder that the daemon knows nothing of is no matter of its.
    assert main([*remove, str(other.parent)]) == 0
    assert theirs.exists() and not other.exists()
    here.executor.model = None
    assert main([*remove, str(theirs.parent)]) == 0
    assert capsys.readouterr().out.endswith(f"{theirs} removed, 0 MB\n")
    assert not theirs.exists()


def test_a_daemon_that_wants_a_token_is_not_passed_over(
    start: Start, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    running = start(SEEDVR2_SERVER_TOKEN="a-long-secret")
    path = fetched(running.config.paths.models[0], "seedvr2_ema_3b-Q6_K.gguf")
    monkeypatch.setenv("SEEDVR2D_URL", running.service.url)
    assert main(["models", "rm", path.name, "--models-dir", str(path.parent)]) == 1
    assert "Set SEEDVR2_SERVER_TOKEN." in capsys.readouterr().err and path.exists()
    monkeypatch.setenv("SEEDVR2_SERVER_TOKEN", "a-long-secret")
    assert main(["models", "rm", path.name, "--models-dir", str(path.parent)]) == 0
    assert not path.exists()


def test_the_engine_says_that_one_runs(here: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = picture(tmp_path / "a.png", size=(16, 16))
    words = ["upscale", str(source), str(tmp_path / "out.png"), "--model", "nano", "--resolution", "16", "--quiet"]
    assert main(words) == 0
    assert f"A daemon runs at {here.service.url} " in capsys.readouterr().err
