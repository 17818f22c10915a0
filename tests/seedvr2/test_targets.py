"""Which file each source becomes: folders, names that would meet, files that are no sources."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from seedvr2.errors import OptionError
from seedvr2.options import UpscaleOptions
from seedvr2.targets import Targets


class Heard(list[str]):
    """What was told."""


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 16), "teal").save(path)
    return path


def found(tmp_path: Path, sources: list[Path], target: str) -> tuple[dict[str, str], int, list[str]]:
    heard: list[str] = []
    targets = Targets(UpscaleOptions(), heard.append)
    pairs = targets.pairs(sources, target)
    named = {str(source.relative_to(tmp_path)): str(result.relative_to(tmp_path)) for source, result in pairs}
    return named, targets.failed, heard


def test_a_target_is_a_folder_by_its_slash_by_being_one_or_for_several_sources(tmp_path: Path) -> None:
    one, two = picture(tmp_path / "one.jpg"), picture(tmp_path / "two.bmp")
    there = tmp_path / "there"
    there.mkdir()
    assert found(tmp_path, [one], f"{tmp_path}/results/")[0] == {"one.jpg": "results/one.png"}
    assert found(tmp_path, [one], str(there))[0] == {"one.jpg": "there/one.png"}
    assert found(tmp_path, [one, two], f"{tmp_path}/results")[0] == {
        "one.jpg": "results/one.png",
        "two.bmp": "results/two.png",
    }
    assert found(tmp_path, [one], f"{tmp_path}/result.webp")[0] == {"one.jpg": "result.webp"}
    with pytest.raises(OptionError, match=r"two\.bmp is a file; the results need a folder"):
        Targets(UpscaleOptions(), print).pairs([one, there], str(two))


def test_sources_that_would_give_one_name_keep_their_suffix_within_it(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a.webp", "b.jpg", "a.jpg.png", "sub/a.jpg"):
        picture(tmp_path / "in" / name)
    named, _, _ = found(tmp_path, [tmp_path / "in"], str(tmp_path / "out"))
    assert named == {
        "in/a.jpg": "out/a.jpg-2.png",
        "in/a.jpg.png": "out/a.jpg.png",
        "in/a.png": "out/a.png",
        "in/a.webp": "out/a.webp.png",
        "in/b.jpg": "out/b.png",
        "in/sub/a.jpg": "out/sub/a.png",
    }


def test_several_folders_keep_their_names(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        picture(tmp_path / folder / "a.png")
    named, _, _ = found(tmp_path, [tmp_path / "x", tmp_path / "y"], str(tmp_path / "out"))
    assert named == {"x/a.png": "out/x/a.png", "y/a.png": "out/y/a.png"}


def test_results_of_an_earlier_run_and_hidden_folders_are_no_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.jpg", "out/a.png", ".clip.mp4.segments/1.png", "deep/.x.png"):
        picture(tmp_path / "in" / name)
    assert found(tmp_path, [tmp_path / "in"], str(tmp_path / "in" / "out"))[0] == {"in/a.jpg": "in/out/a.png"}
    # A folder above the sources is not what is left out.
    monkeypatch.chdir(tmp_path)
    heard: list[str] = []
    assert Targets(UpscaleOptions(), heard.append).pairs([Path("in/a.jpg")], ".") == [(Path("in/a.jpg"), Path("a.png"))]
    pairs = Targets(UpscaleOptions(), heard.append).pairs([Path("in")], ".")
    assert [result for _, result in pairs] == [Path("a.png"), Path("out/a.png")]


def test_no_source_is_replaced(tmp_path: Path) -> None:
    source = picture(tmp_path / "a.png")
    for target in (str(source), str(tmp_path), f"{tmp_path}/"):
        with pytest.raises(OptionError, match="would take the place of a source"):
            Targets(UpscaleOptions(), print).pairs([source], target)


def test_a_damaged_picture_is_a_failure_and_a_text_is_none(tmp_path: Path) -> None:
    picture(tmp_path / "in" / "good.png")
    (tmp_path / "in" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    (tmp_path / "in" / "page.jpg").write_text("<html><body>Log in first")
    (tmp_path / "in" / "clip.mkv").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "in" / "notes.txt").write_text("hello")
    (tmp_path / "in" / "clip.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    (tmp_path / "in" / "song.mp3").write_bytes(b"ID3" + bytes(64))
    named, failed, heard = found(tmp_path, [tmp_path / "in"], str(tmp_path / "out"))
    assert list(named) == ["in/good.png"]
    assert failed == 3
    skipped = sorted(text.partition(":")[0] for text in heard if ": skipped: " in text)
    assert skipped == ["clip.srt", "notes.txt", "song.mp3"]
    assert sorted(text.partition(":")[0] for text in heard if ": skipped: " not in text) == [
        "bad.png",
        "clip.mkv",
        "page.jpg",
    ]


def test_a_damaged_file_that_was_named_keeps_no_other_back(tmp_path: Path) -> None:
    good = picture(tmp_path / "good.png")
    bad = tmp_path / "notes.txt"
    bad.write_text("hello")
    named, failed, heard = found(tmp_path, [bad, good], f"{tmp_path}/out/")
    assert (named, failed) == ({"good.png": "out/good.png"}, 1)
    assert "is a text file" in heard[0] and "skipped" not in heard[0]
