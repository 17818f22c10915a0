"""A reader that goes, a full disk behind the output, names of options with underscores."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from seedvr2.terminal import NOBODY_READS, with_hyphens

LIST = [sys.executable, "-m", "seedvr2", "models", "list", "--models-dir", "nowhere"]


# argparse ignores what becomes of its help.
@pytest.mark.parametrize(("arguments", "ends"), [(LIST, {141}), ([*LIST[:3], "upscale", "--help"], {0, 141})])
def test_a_reader_that_has_seen_enough_is_no_error(arguments: list[str], ends: set[int]) -> None:
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None and running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode in ends and NOBODY_READS == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_the_output_is_a_sentence() -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(LIST, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (
        1,
        "seedvr2: The output cannot be written (No space left on device).\n",
    )


def test_underscores_are_as_good_as_hyphens_in_names_and_stay_in_values() -> None:
    given = ["upscale", "a_b.png", "--batch_size=5", "--color-correction", "wavelet_adaptive", "--", "--x_y"]
    assert with_hyphens(given) == [
        *("upscale", "a_b.png", "--batch-size=5", "--color-correction", "wavelet_adaptive", "--", "--x_y"),
    ]
    assert with_hyphens(["--dit_model=a_b"]) == ["--dit-model=a_b"]


def test_neither_version_nor_help_waits_for_the_networks() -> None:
    code = "import sys; from seedvr2.cli import main\ntry: main(sys.argv[1:])\nexcept SystemExit: pass\n"
    code += "assert not {'torch', 'av', 'PIL'} & set(sys.modules)"
    for arguments in (["--version"], ["--help"], ["upscale", "--help"], ["convert", "--help"]):
        subprocess.run([sys.executable, "-c", code, *arguments], check=True, stdout=subprocess.DEVNULL)
