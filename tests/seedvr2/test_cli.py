"""The command line, as processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from seedvr2.cli import main

CLIP = Path(__file__).parents[2] / "benchmarks" / "assets" / "city.mp4"


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "seedvr2", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """The same without a process, which takes seconds to import the engine."""

    def ended(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        words = list(map(str, arguments))
        try:
            status = main(words)
        except SystemExit as end:
            status = int(end.code or 0)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(words, status, said.out, said.err)

    return ended


def test_a_folder_is_upscaled_and_one_broken_file_does_not_keep_the_others(tmp_path: Path) -> None:
    source = tmp_path / "in" / "sub"
    source.mkdir(parents=True)
    Image.new("RGB", (40, 30), "teal").save(source / "a.jpg")
    Image.new("RGBA", (30, 40), (200, 30, 30, 128)).save(source.parent / "b.png")
    (source / "notes.txt").write_text("hello")
    Image.effect_noise((64, 64), 50).save(source / "broken.png")
    (source / "broken.png").write_bytes((source / "broken.png").read_bytes()[:900])
    done = _run(
        "upscale", tmp_path / "in", tmp_path / "out", "--resolution", "64", "--model", "nano", "--dtype", "float32"
    )
    written = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert written == ["b.png", "sub/a.png"], done.stderr
    assert "broken.png" in done.stderr and "notes.txt: skipped" in done.stderr
    assert done.returncode == 1
    assert "84x64" in done.stdout and "nano" in done.stdout
    with Image.open(tmp_path / "out" / "b.png") as image:
        assert (image.mode, image.size) == ("RGBA", (64, 84))


def test_a_wrong_request_is_answered_before_anything_is_loaded(tmp_path: Path, call: Call) -> None:
    wrong = _run("upscale", CLIP, tmp_path / "out.mp4", "--resolution", "huge")
    assert wrong.returncode == 2 and "resolution takes a whole number from 16 to 16384" in wrong.stderr
    missing = call("upscale", tmp_path / "nothing.mp4", tmp_path / "out.mp4")
    assert missing.returncode == 2 and "There is no file or folder" in missing.stderr
    unknown = call("upscale", CLIP, tmp_path / "out.mp4", "--model", "seedvr2_ema_7b_fp16.safetensors")
    assert unknown.returncode == 2 and "models pull" in unknown.stderr
    misspelt = call("plan", CLIP, "--model", "nanoo")
    assert misspelt.returncode == 2 and "Did you mean" in misspelt.stderr
    assert call("models", "verify", "nanoo").returncode == 2
    assert "Traceback" not in wrong.stderr + missing.stderr + unknown.stderr + misspelt.stderr


def test_results_that_are_there_are_refused_skipped_or_replaced(tmp_path: Path, call: Call) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (20, 16), "teal").save(tmp_path / name)
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"mine")
    sources = (tmp_path / "a.png", tmp_path / "b.png")
    options = ("--resolution", "32", "--model", "nano", "--batch_size", "1", "--quiet")
    refused = call("upscale", *sources, out, *options)
    assert refused.returncode == 1 and f"a.png: {out / 'a.png'} exists already; --skip-existing" in refused.stderr
    assert (out / "a.png").read_bytes() == b"mine" and (out / "b.png").is_file()
    (out / "b.png").unlink()
    skipped = call("upscale", *sources, out, *options, "--skip-existing")
    assert skipped.returncode == 0 and "a.png: skipped: " in skipped.stderr
    assert (out / "a.png").read_bytes() == b"mine" and (out / "b.png").is_file()
    replaced = call("upscale", sources[0], out / "a.png", *options, "--overwrite")
    assert replaced.returncode == 0 and replaced.stdout.startswith(f"{out / 'a.png'}  40x32"), replaced.stderr
    with Image.open(out / "a.png") as image:
        assert image.size == (40, 32)
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "b.png"]


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path, call: Call) -> None:
    Image.new("RGB", (20, 16), "teal").save(tmp_path / "a.png")
    (tmp_path / "file").write_text("no folder")
    ended = call("upscale", tmp_path / "a.png", f"{tmp_path}/file/results/", "--model", "nano")
    assert ended.returncode == 1 and ended.stderr == (
        f"a.png: The folder {tmp_path}/file/results cannot be made (a file is called so); name another.\n"
    )


@pytest.mark.long
def test_a_plan_as_text_and_as_json() -> None:
    text = _run("plan", CLIP, "--resolution", "360", "--model", "nano")
    assert text.returncode == 0 and "320x180 to 640x360" in text.stdout and "8 batches of 5" in text.stdout
    data = json.loads(_run("plan", CLIP, "--resolution", "360", "--model", "nano", "--json").stdout)
    assert data["forecast"]["output_size"] == [640, 360] and data["forecast"]["fits"] is True
    assert data["size"] == [640, 360] and data["segments"][-1]["stop"] == data["frames"] == 24
    assert data["forecast"]["disk"] == data["disk"] and data["disk"]["result"] == round(640 * 360 * 24 * 0.2 / 8)
    assert "  disk     about 1 MB for the result and 1 MB while it is joined" in text.stdout
    explained = _run("plan", CLIP, "--resolution", "360", "--model", "nano", "--explain").stdout
    assert explained.startswith(text.stdout.split("  memory")[0])
    assert "  why      Whole frames, batches of 5: needs " in explained and "  why " not in text.stdout
    assert data["forecast"]["reasons"][0].startswith("Whole frames, batches of 5: needs ")


def test_help_shows_the_table_of_parameters(call: Call) -> None:
    text = " ".join(call("upscale", "--help").stdout.split())
    assert "--color-correction" in text and "one of lab, wavelet" in text and "--no-tf32" in text
