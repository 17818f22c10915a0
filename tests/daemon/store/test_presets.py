"""Presets: those of the configuration and the saved ones, for forms, sidecars and folders of the inbox."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daemon.errors import RequestError, StoreError
from daemon.store.presets import MOST, Presets
from seedvr2.errors import OptionError
from tests.daemon.conftest import Running, Start, eventually, picture, png


def test_saved_presets_outlive_the_service_and_those_of_the_configuration_are_not_touched(tmp_path: Path) -> None:
    file = tmp_path / "presets.json"
    presets = Presets({"fast": {"resolution": 720}}, file)
    assert presets.save("  Film  ", {"resolution": "2160", "seed": ""}) == {"resolution": 2160}
    presets.save("anime", {})
    assert list(Presets({"fast": {"resolution": 720}}, file)) == ["fast", "anime", "Film"]
    assert Presets({}, file)["Film"] == {"resolution": 2160}
    with pytest.raises(RequestError, match="is in the configuration file"):
        presets.save("fast", {"seed": 1})
    with pytest.raises(RequestError, match="is in the configuration file"):
        presets.delete("fast")
    presets.delete("Film")
    assert list(Presets({}, file)) == ["anime"]


@pytest.mark.parametrize("name", ["", "  ", "a/b", ".hidden", "x" * 61, "a\nb"])
def test_a_name_that_will_not_do(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError, match="The name of a preset has 1 to 60 characters"):
        Presets({}, tmp_path / "presets.json").save(name, {})
    assert not (tmp_path / "presets.json").exists()


def test_values_are_checked_by_the_table(tmp_path: Path) -> None:
    presets = Presets({}, tmp_path / "presets.json")
    with pytest.raises(OptionError, match="resolution takes a whole number"):
        presets.save("film", {"resolution": 3})
    with pytest.raises(OptionError, match="Did you mean 'resolution'"):
        presets.save("film", {"resolutio": 3})
    with pytest.raises(OptionError):
        presets.save("film", {"profile": "archive", "video_codec": "prores"})
    presets.save("film", {})
    with pytest.raises(OptionError, match=r"There is no preset 'flim'\. Did you mean 'film'"):
        presets.layer({"preset": "flim"})
    for number in range(MOST - 1):
        presets._saved = {**presets._saved, f"p{number}": {}}
    with pytest.raises(RequestError, match="delete one first"):
        presets.save("one too many", {})


@pytest.mark.parametrize("content", ["{", '["a"]', '{"film": {"resolution": 3}}', '{"film": 7}'])
def test_a_file_that_cannot_be_read_is_left_as_it_is(tmp_path: Path, content: str) -> None:
    file = tmp_path / "presets.json"
    file.write_text(content)
    presets = Presets({}, file)
    assert list(presets) == [] and "cannot be read" in presets.problem
    with pytest.raises(StoreError):
        presets.save("new", {})
    assert file.read_text() == content


def test_a_form_a_sidecar_and_a_folder_name_a_saved_preset(start: Start, tmp_path: Path) -> None:
    running = start()
    saved = running.http.put(f"{running.service.url}/api/presets/夜 film", json={"resolution": 360, "seed": 7})
    assert saved.status_code == 200, saved.text
    assert json.loads((running.config.paths.state / "presets.json").read_text()) == {
        "夜 film": {"resolution": 360, "seed": 7}
    }
    task = running.submit("a.png", png(), preset="夜 film", seed=9)
    params = running.finished(task)["params"]
    assert isinstance(params, dict)
    assert (params["resolution"], params["seed"]) == (360, 9)
    refused = running.post("/api/process", files={"file": ("a.png", png())}, data={"preset": "nothing"})
    assert (refused.status_code, refused.json()["detail"]) == (400, {"field": "preset"})
    assert "There is no preset 'nothing'" in refused.json()["error"]
    again = running.post(f"/api/tasks/{task}/again", json={"preset": "夜 film"}).json()["task_id"]
    assert running.finished(again)["params"]["seed"] == 7  # type: ignore[index]
    (running.inbox / "b.png.toml").write_text('preset = "夜 film"\n')
    picture(running.inbox / "b.png")
    picture(running.inbox / "夜 film" / "c.png", "red")
    assert eventually(lambda: asked(running, "b.png")) == eventually(lambda: asked(running, "c.png")) == (360, 7)


def asked(running: Running, name: str) -> tuple[object, object] | None:
    found = [job for job in running.history() if job.draft.original_filename == name]
    return (found[0].draft.options["resolution"], found[0].draft.options["seed"]) if found else None
