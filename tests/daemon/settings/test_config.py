"""The configuration: precedence, errors that help, and a complete config.toml."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from daemon.__main__ import main
from daemon.errors import ConfigError
from daemon.jobs.parameters import JOB_PARAMETERS
from daemon.settings.config import load_config
from daemon.settings.keys import SETTINGS, ServerSettings
from daemon.settings.show_config import describe

ROOT = Path(__file__).parents[3]


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(text)
    return file


def test_environment_over_file_over_default(tmp_path: Path) -> None:
    file = write(tmp_path, "[server]\nport = 9000\n[inbox]\nsettle_s = 7\n")
    config = load_config(file, {"SEEDVR2_SERVER_PORT": "9001", "SEEDVR2_DEFAULTS_SEED": "5"})
    assert (config.server.port, config.inbox.settle_s, config.inbox.after) == (9001, 7.0, "move")
    assert config.defaults == {"seed": 5}
    assert config.origins["server.port"] == "environment SEEDVR2_SERVER_PORT"
    assert config.origins["inbox.settle_s"] == "config.toml"
    assert config.origins["inbox.after"] == "default"


def test_aliases_and_empty_variables(tmp_path: Path) -> None:
    environment = {"PORT": "8300", "GPU_IDLE_TIMEOUT": "5", "NVIDIA_VISIBLE_DEVICES": "1", "SEEDVR2_SERVER_HOST": ""}
    config = load_config(write(tmp_path, ""), environment)
    assert (config.server.port, config.model.idle_timeout_s, config.model.gpu) == (8300, 5.0, "1")
    assert config.server.host == "127.0.0.1"


def test_what_is_overridden_is_not_looked_at(tmp_path: Path) -> None:
    file = write(
        tmp_path, "[server]\nport = 'none'\n[paths]\ninbox = '~nobody-of-this-name/in'\n[defaults]\nseed = -1\n"
    )
    environment = {"PORT": "1", "SEEDVR2_PATHS_INBOX": str(tmp_path / "in"), "SEEDVR2_DEFAULTS_SEED": "7"}
    config = load_config(file, environment)
    assert (config.server.port, config.paths.inbox, config.defaults) == (1, tmp_path / "in", {"seed": 7})


def test_a_variable_of_a_whole_section_or_in_small_letters_means_nothing(tmp_path: Path) -> None:
    environment = {"SEEDVR2_SERVER": '{"port": 1}', "port": "2", "seedvr2_server_port": "3", "SERVER__PORT": "4"}
    config = load_config(write(tmp_path, ""), environment)
    assert config.server.port == 8200
    assert len(config.warnings) == 1 and "SEEDVR2_SERVER " in config.warnings[0]


def test_a_file_that_is_a_pipe_is_read_and_a_folder_is_none(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"[server]\nport = 9000\n")
    os.close(writing)
    assert load_config(Path(f"/dev/fd/{reading}"), {}).server.port == 9000
    os.close(reading)
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path, {})


def test_a_section_takes_only_what_its_keys_take() -> None:
    for wrong in ({"port": 70000}, {"prot": 1}, {"token": ["hush"]}):
        with pytest.raises(ValidationError) as caught:
            ServerSettings(**wrong)
        assert "hush" not in str(caught.value.errors()[0].get("ctx", ""))
    with pytest.raises(ValidationError):
        ServerSettings().port = 1  # type: ignore[misc]


def test_every_key_has_its_variable(tmp_path: Path) -> None:
    for setting in SETTINGS:
        name = setting.parameter.name
        value = {
            "port": "1",
            "host": "localhost",
            "url": "http://x",
            "device": "cuda:1",
            "hours": "22:00-06:00",
            "mode": "local",
            "gpus": "0, 1",
        }.get(name)
        if value is None and setting.parameter.kind is str and not setting.parameter.choices:
            value = str(tmp_path / name)
        value = value or str(setting.parameter.choices[-1] if setting.parameter.choices else 10)
        if setting.parameter.kind is bool:
            value = "true"
        config = load_config(write(tmp_path, ""), {setting.variable: value})
        assert config.origins[setting.key] == f"environment {setting.variable}"


def test_relative_paths_belong_to_the_file_and_those_of_the_environment_to_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    monkeypatch.chdir(tmp_path)
    file = write(tmp_path / "etc", '[paths]\ninbox = "in"\n')
    config = load_config(file, {"SEEDVR2_PATHS_OUTPUTS": "out"})
    assert config.paths.inbox == tmp_path / "etc" / "in"
    assert config.paths.outputs == tmp_path / "out"
    assert config.paths.state == tmp_path / "etc" / "state"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\nprot = 1", "no key 'prot' in [server]. Did you mean 'port'?"),
        ("[sever]\nport = 1", "no section [sever]. Did you mean 'server'?"),
        ("port = 1", "no section [port]"),
        ("[server]\nport = 70000", "server.port takes a whole number from 0 to 65535, not '70000'"),
        ("[inbox]\nafter = 'burn'", "inbox.after takes one of move, keep, delete"),
        ("[server]\nallowed_hosts = [1]", "takes a list of texts"),
        ("[defaults]\nresolutoin = 5", "Did you mean 'resolution'?"),
        ("[defaults]\nresolution = 5", "resolution takes a whole number from 16"),
        ("[presets.a]\nseed = -1", "[presets.a]: seed takes"),
        ("[presets]\na = 1", "is a section"),
        (
            "[defaults]\nprofile = 'web'\noutput_format = 'mov'\nencoder = 'ffv1'",
            "[defaults]: profile = web is H.264 or VP9",
        ),
        ("[presets.a]\nprofile = 'archive'\noutput_format = 'mp4'", "[presets.a]: profile = archive makes FFV1"),
        ("server = 1", "is a section, not a value"),
        ("[server", "not valid TOML"),
        ("[paths]\ninbox = true", "config.toml: paths.inbox takes a text, not 'True'"),
        ("[server]\nport = true", "config.toml: server.port takes a whole number from 0 to 65535, not 'True'"),
        ("[paths]\nmodels = [1]", "config.toml: paths.models takes a list of texts."),
        ("[server]\nhost = '0.0.0.0'", "server.token"),
        ("[paths]\noutputs = 'inbox/out'", "must not lie in paths.inbox"),
        ("[paths]\ninbox = 'outputs/in'", "must not lie in paths.outputs"),
        ("[webhook]\nurl = 'ftp://x'", "http:// or https://"),
    ],
)
def test_errors_say_what_to_do(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text), {})
    assert said in str(caught.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "missing.toml", {})


def test_other_addresses_need_a_token_or_consent(tmp_path: Path) -> None:
    file = write(tmp_path, "[server]\nhost = '::'\ntoken = 'x'")
    assert load_config(file, {}).server.token == "x"
    file = write(tmp_path, "[server]\nhost = '192.168.0.1'\nallow_anonymous = true")
    assert load_config(file, {}).server.allow_anonymous


def test_an_unknown_variable_is_a_warning_that_names_the_nearest(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, ""), {"SEEDVR2_SERVER_PROT": "1", "SEEDVR2_API_URL": "http://x"})
    (warning,) = config.warnings
    assert "SEEDVR2_SERVER_PORT" in warning


def test_the_shipped_file_is_complete_and_shows_the_defaults() -> None:
    file = ROOT / "config.toml"
    document = tomllib.loads(file.read_text(encoding="utf-8"))
    listed = {f"{section}.{key}" for section, table in document.items() for key in table}
    assert listed == {setting.key for setting in SETTINGS} | {f"defaults.{each.name}" for each in JOB_PARAMETERS}
    shipped, default = load_config(file, {}), load_config(None, {})
    for section in ("server", "model", "inbox", "jobs", "webhook", "logging"):
        assert getattr(shipped, section) == getattr(default, section), section
    for parameter in JOB_PARAMETERS:
        assert document["defaults"][parameter.name] == parameter.default
    commented = file.read_text(encoding="utf-8")
    assert all(setting.parameter.meaning.split(";")[0][:40] in commented for setting in SETTINGS)


def test_check_config_prints_valid_toml_with_origins_and_no_secrets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, "[server]\ntoken = 'hush'\n[presets.a]\nseed = 3\n")
    monkeypatch.setenv("PORT", "8222")
    assert main(["--config", str(file), "check-config"]) == 0
    printed = capsys.readouterr().out
    assert "hush" not in printed
    assert tomllib.loads(printed)["server"]["port"] == 8222
    assert "# environment PORT" in printed
    assert tomllib.loads(describe(load_config(file, {})))["presets"]["a"] == {"seed": 3}


def test_check_config_ends_with_the_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path, "[server]\nprot = 1")
    assert main(["--config", str(file), "check-config"]) == 2
    assert "Did you mean 'port'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line", ["[server]\ntoken = ['hush']", "[webhook]\nsecret = ['hush']", "[webhook]\nurl = ['hush']"]
)
def test_a_secret_that_is_written_wrongly_is_not_shown(tmp_path: Path, line: str) -> None:
    (tmp_path / "config.toml").write_text(line)
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "config.toml", {})
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("path", ["~nobody-of-this-name/inbox", "a\0b", "loop/inbox"])
def test_a_path_that_is_none_is_refused_with_a_sentence(tmp_path: Path, path: str) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    environment = {"SEEDVR2_PATHS_INBOX": str(tmp_path / path) if path[0] != "~" else path}
    with pytest.raises(ConfigError, match="is no path that can be used"):
        load_config(None, environment)
