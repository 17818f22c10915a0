"""Jobs and parts as the benchmarks run them, for real, with nano at a small size."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import parts
from benchmarks.jobs import Job
from benchmarks.machine import ROOT, descendants, machine, others_seconds, peak_mb
from benchmarks.parts import Part
from seedvr2.network.dit import DiT
from seedvr2.network.vae import VideoVAE

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks of memory are read from /proc")


@pytest.fixture(autouse=True)
def _models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDVR2_BENCH_MODELS", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.mark.long
def test_a_clip_by_the_command_line() -> None:
    figures = Job((48, 32), 6, 64).measure()
    assert figures["frames"] == 6
    assert figures["necessary_tflop"] is None
    assert figures["seconds"] > 0 and figures["peak_mb"] > 50 and figures["matmul_tflops"] > 0


@pytest.mark.long
def test_a_picture_through_a_daemon() -> None:
    figures = Job((48, 32), 1, 64, service=True).measure()
    assert figures["seconds"] >= figures["process_s"] > 0
    # The one computes, the other never imports torch.
    assert figures["peak_mb"] > figures["service_peak_mb"] > 0


def test_a_job_knows_its_necessary_arithmetic() -> None:
    picture, clip = Job((256, 256), 1, 1080, "fp16").flop(), Job((160, 96), 17, 384, "fp16").flop()
    # A picture of 1088 x 1088: the 3B alone is two operations for 2.5e9 weights and 4624 tokens.
    assert picture is not None and clip is not None
    assert 2.4e13 < picture < 6e13 < clip


@pytest.mark.long
def test_where_the_time_of_a_job_went() -> None:
    figures = Part("upscale", ("nano", "6", "48", "32", "64", "float32")).measure()
    stages = sum(figures[f"{stage}_s"] for stage in ("encode", "transformer", "decode", "outside"))
    assert stages == pytest.approx(figures["seconds"], abs=0.01)
    assert min(figures[f"{stage}_s"] for stage in ("encode", "transformer", "decode", "outside")) > 0
    assert figures["outside_share"] == pytest.approx(figures["outside_s"] / figures["seconds"], abs=0.01)
    assert (figures["frames"], figures["dtype"]) == (6, "float32")


def test_the_networks_are_timed_only_within_the_job() -> None:
    before = VideoVAE.encode, VideoVAE.decode, DiT.forward
    with parts._timed_networks():
        assert VideoVAE.encode is not before[0]
    assert (VideoVAE.encode, VideoVAE.decode, DiT.forward) == before


@pytest.mark.long
def test_the_engines_process_is_started_and_ended() -> None:
    figures = Part("start").measure()
    assert figures["best_of"] == 3 and figures["peak_mb"] > 50


def test_what_a_figure_depends_on() -> None:
    about = machine()
    assert about["torch"] == sys.modules["torch"].__version__
    assert about["cores"] == len(os.sched_getaffinity(0))
    assert {"cpu", "instructions", "commit", "dirty"} <= set(about)
    assert peak_mb() > 50 and peak_mb(0) == 0
    assert os.getpid() in descendants(os.getppid())


def test_what_this_process_and_its_children_take_is_not_others() -> None:
    own, others = sum(os.times()[:4]), others_seconds()
    subprocess.run([sys.executable, "-c", "sum(range(10**7))"], check=True)
    taken = sum(os.times()[:4]) - own
    assert taken > 0
    # Everything that was busy is the one or the other, up to the ticks in which it is counted.
    assert others_seconds() - others > -0.1 - taken / 2
