"""Parameters per file and per folder."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from daemon.errors import SidecarError
from daemon.inbox import sidecar
from daemon.inbox.sidecar import companions, request_for

PRESETS = {"4k-sharp": {"resolution": 2160, "seed": 9}, "quick": {"batch_size": 1}}
DEFAULTS = {"resolution": 720, "priority": "low"}


def ask(root: Path, folder: str = "") -> dict[str, object]:
    path = root / folder / "clip.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    return request_for(root, path, folder, PRESETS, DEFAULTS).as_dict()


def put(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_defaults_alone(tmp_path: Path) -> None:
    request = ask(tmp_path)
    assert (request["resolution"], request["priority"], request["seed"]) == (720, "low", 42)


@pytest.mark.parametrize(
    ("suffix", "text"), [(".toml", "resolution = 480\nseed = 7\n"), (".json", '{"resolution": 480, "seed": "7"}')]
)
def test_a_sidecar_wins_over_the_defaults(tmp_path: Path, suffix: str, text: str) -> None:
    put(tmp_path / f"clip.mp4{suffix}", text)
    request = ask(tmp_path)
    assert (request["resolution"], request["seed"], request["priority"]) == (480, 7, "low")


def test_a_sidecar_says_how_much_is_restored_and_how_large_the_result_is(tmp_path: Path) -> None:
    put(tmp_path / "clip.mp4.toml", "scale = 2\nstrength = 0.5\nsoftness = 1\n")
    request = ask(tmp_path)
    assert (request["scale"], request["strength"], request["softness"]) == (2.0, 0.5, 1.0)


def test_a_folder_named_like_a_preset_uses_it(tmp_path: Path) -> None:
    assert ask(tmp_path, "4k-sharp/part one")["resolution"] == 2160


def test_preset_files_are_read_from_the_top_down(tmp_path: Path) -> None:
    put(tmp_path / "preset.toml", "seed = 1\nbatch_size = 9\n")
    put(tmp_path / "a" / "preset.toml", 'preset = "4k-sharp"\ncolor_correction = "none"\n')
    put(tmp_path / "a" / "b" / "preset.toml", "resolution = 1440\n")
    request = ask(tmp_path, "a/b")
    assert (request["resolution"], request["seed"], request["batch_size"]) == (1440, 9, 9)
    assert request["color_correction"] == "none"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("resolution = ", "not valid TOML"),
        ("resolutoin = 1", "Did you mean 'resolution'"),
        ("resolution = 5", "resolution takes a whole number from 16"),
        ("scale = 0.5", "scale takes 0, or a number from 1 to 64"),
        ("strength = 1.5", "strength takes a number from 0 to 1"),
        ('preset = "4k-shrap"', "Did you mean '4k-sharp'"),
        ("preset = 7", "no preset '7'"),
        ("#" * 70_000, "longer than"),
    ],
)
def test_an_invalid_sidecar_says_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    put(tmp_path / "clip.mp4.toml", text)
    with pytest.raises(SidecarError, match=said) as caught:
        ask(tmp_path)
    assert "clip.mp4.toml" in str(caught.value)


@pytest.mark.parametrize("text", ["{", "\ufffe", '{"a":' * 12_000])
def test_an_invalid_json_sidecar(tmp_path: Path, text: str) -> None:
    (tmp_path / "clip.mp4.json").write_text(text, encoding="utf-8")
    with pytest.raises(SidecarError):
        ask(tmp_path)


def test_two_sidecars_are_one_too_many(tmp_path: Path) -> None:
    put(tmp_path / "clip.mp4.toml", "")
    put(tmp_path / "clip.mp4.json", "{}")
    with pytest.raises(SidecarError, match="Keep one"):
        ask(tmp_path)


def test_a_sidecar_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    put(tmp_path / "outside" / "secret.toml", "seed = 5\nsecret = 1")
    (tmp_path / "clip.mp4.toml").symlink_to(tmp_path / "outside" / "secret.toml")
    with pytest.raises(SidecarError, match="cannot be read"):
        ask(tmp_path)


def test_a_preset_behind_a_folder_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    put(tmp_path / "outside" / "preset.toml", "secret = 1")
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "a").symlink_to(tmp_path / "outside")
    with pytest.raises(SidecarError, match="links are not followed") as caught:
        request_for(tmp_path / "inbox", tmp_path / "inbox" / "a" / "clip.mp4", "a", PRESETS, DEFAULTS)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("trouble", [errno.EIO, errno.EMFILE, errno.EACCES])
def test_a_disk_that_refuses_to_read_a_sidecar_is_no_mistake_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: int
) -> None:
    def refuse(_root: Path, _file: Path) -> int:
        raise OSError(trouble, os.strerror(trouble))

    put(tmp_path / "clip.mp4.toml", "seed = 7")
    monkeypatch.setattr(sidecar, "open_file", refuse)
    with pytest.raises(OSError, match=os.strerror(trouble)):
        ask(tmp_path)
    monkeypatch.undo()
    assert ask(tmp_path)["seed"] == 7


def test_a_name_too_long_for_a_sidecar_has_none(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 251 + ".mp4")
    assert request_for(tmp_path, path, "", PRESETS, DEFAULTS).as_dict()["seed"] == 42


def test_companions_are_all_files_that_matter(tmp_path: Path) -> None:
    put(tmp_path / "a" / "preset.toml", "")
    put(tmp_path / "a" / "clip.mp4.json", "{}")
    names = {each.name for each in companions(tmp_path, tmp_path / "a" / "clip.mp4", "a")}
    assert names == {"preset.toml", "clip.mp4.json"}


def test_a_sidecar_says_how_a_video_is_coded(tmp_path: Path) -> None:
    put(tmp_path / "clip.mp4.toml", 'profile = "quality"\nvideo_codec = "av1"\ncrf = 30\nencoder_preset = 6\n')
    request = ask(tmp_path)
    asked = ("profile", "video_codec", "crf", "encoder_preset")
    assert [request[name] for name in asked] == ["quality", "av1", 30.0, "6"]
    put(tmp_path / "clip.mp4.toml", 'profile = "edit"\noutput_format = "mp4"\n')
    with pytest.raises(
        SidecarError, match="profile = edit makes ProRes or DNxHR, which output_format = mp4 does not hold"
    ):
        ask(tmp_path)
