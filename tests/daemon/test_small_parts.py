"""Queue, estimates, names, files, logs, sd_notify, GPU, redaction: each small, each on its own."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterable
from pathlib import Path

import pynvml
import pytest

from daemon.api.redact import Redactor
from daemon.engine import gpu
from daemon.inbox.watcher import filesystem_of, is_network
from daemon.jobs.job import Job, Media
from daemon.jobs.queue import JobQueue
from daemon.jobs.workload import output_size, work_of
from daemon.outside.logs import FORMATTERS
from daemon.outside.notify import notify, watchdog_s
from daemon.settings.keys import PathSettings
from daemon.store.files import clean_name, free_names, move_aside, place, write_durably
from daemon.store.job_store import JobStore
from daemon.work.estimates import Estimates
from daemon.work.naming import model_tag, result_name, result_suffix, wrong_format
from seedvr2.options import UpscaleOptions
from tests.daemon.jobs.test_job import draft


def job(number: int, priority: str = "normal") -> Job:
    return Job(f"{number:08x}", number, 0.0, draft(priority=priority))


def first(jobs: Iterable[Job]) -> str:
    return next((each.id for each in jobs), "")


class TestQueue:
    def test_order_positions_and_taking(self) -> None:
        queue = JobQueue([job(3), job(1), job(2, "high"), job(4, "low")])
        assert [each.number for each in queue.waiting()] == [2, 1, 3, 4]
        assert queue.position(job(3).id) == 3
        assert [each.number for each in queue.waiting(before=job(3).id)] == [2, 1]
        taken = queue.take(job(1).id)
        assert taken is not None
        assert queue.take(job(1).id) is None
        assert queue.position(job(1).id) == 0
        assert queue.put(taken) == 2
        assert [queue.take_chosen(first).number for _ in range(4)] == [2, 1, 3, 4]  # type: ignore[union-attr]
        assert queue.take_chosen(first) is None

    def test_amending_a_job_that_left_does_nothing(self) -> None:
        queue = JobQueue([job(1)])
        queue.take_chosen(first)
        queue.amend(job(1).id, lambda _job: pytest.fail("it is not there"))
        assert len(queue) == 0


class TestEstimates:
    @pytest.mark.parametrize(
        ("size", "options", "expected"),
        [
            ((640, 360), UpscaleOptions(), (1920, 1080)),
            ((360, 640), UpscaleOptions(resolution=720), (720, 1280)),
            ((1000, 500), UpscaleOptions(resolution=1000, max_resolution=1000), (1000, 500)),
        ],
    )
    def test_size_of_the_result(
        self, size: tuple[int, int], options: UpscaleOptions, expected: tuple[int, int]
    ) -> None:
        assert output_size(Media("picture", *size, 1), options) == expected

    def test_jobs_weigh_what_they_make(self) -> None:
        picture, film = Media("picture", 640, 360, 1), Media("video", 640, 360, 1000)
        assert work_of(film, UpscaleOptions()) == 1000 * work_of(picture, UpscaleOptions())

    def test_speed_is_learnt_for_each_model_and_kept(self, tmp_path: Path) -> None:
        store = JobStore(tmp_path)
        estimates = Estimates(store)
        for _ in range(30):
            estimates.measured("fast", 100.0, 10.0)
        estimates.measured("slow", 100.0, 100.0)
        assert estimates.speed("fast") == pytest.approx(10.0)
        assert estimates.speed("slow") == pytest.approx(1.0)
        assert estimates.seconds(job(1), "slow") == pytest.approx(207.4)
        store.close()
        store = JobStore(tmp_path)
        assert Estimates(store).speed("fast") == pytest.approx(10.0)
        store.close()


class TestNames:
    @pytest.mark.parametrize(
        ("model", "tag"),
        [
            ("seedvr2_ema_3b_fp8_e4m3fn.safetensors", "3b_fp8"),
            ("seedvr2_ema_7b_sharp-Q4_K_M.gguf", "7b_sharp-Q4_K_M"),
            ("nano", "nano"),
            ("my model.pth", "my model"),
        ],
    )
    def test_models(self, model: str, tag: str) -> None:
        assert model_tag(model) == tag

    def test_the_documented_name(self) -> None:
        options = UpscaleOptions().as_dict()
        name = result_name(
            "video.mov", model="seedvr2_ema_3b_fp8_e4m3fn.safetensors", options=options,
            width=1920, height=1080, seconds=25.3, tiled=False, suffix=".mp4",
        )  # fmt: skip
        assert name == "video_3b_fp8_1080p_b5_clab_s42_25s.mp4"

    def test_tiles_are_named_and_long_names_cut(self) -> None:
        name = result_name(
            "漢" * 120 + ".png", model="nano", options=UpscaleOptions(vae_quality="low").as_dict(),
            width=8, height=9, seconds=0.4, tiled=True, suffix=".png",
        )  # fmt: skip
        assert name.endswith("漢_nano_8p_b5_clab_s42_vaeL_0s.png")
        assert len(name.encode()) <= 250

    def test_suffixes(self) -> None:
        picture = Media("picture", 64, 48, 1, formats=("png", "jpg", "webp", "tiff"))
        glass = Media("video", 64, 48, 10, formats=("webm", "mp4", "mkv", "mov"))
        assert result_suffix(picture, UpscaleOptions(output_format="auto")) == ".png"
        assert result_suffix(picture, UpscaleOptions(output_format="tiff")) == ".tiff"
        assert result_suffix(glass, UpscaleOptions(output_format="auto")) == ".webm"
        assert result_suffix(glass, UpscaleOptions(output_format="mkv")) == ".mkv"
        refused = [(glass, "png"), (glass, "gif"), (picture, "mkv"), (picture, "gif")]
        assert [result_suffix(media, UpscaleOptions(output_format=name)) for media, name in refused] == [None] * 4
        assert wrong_format(glass, "gif") == (
            "A video cannot be written as gif. Ask for output_format auto, webm, mp4, mkv or mov."
        )

    def test_a_profile_says_the_suffix_of_a_video_alone(self) -> None:
        loud = Media("video", 64, 48, 10, formats=("mkv", "mp4", "webm", "mov"))
        glass = Media("video", 64, 48, 10, formats=("mov", "mp4", "mkv", "webm"))
        moving = Media("video", 64, 48, 10, formats=("mp4", "mkv", "webm", "mov", "webp", "png", "gif"))
        picture = Media("picture", 64, 48, 1, formats=("png", "jpg"))
        found = {
            profile: [result_suffix(media, UpscaleOptions(profile=profile)) for media in (loud, glass, moving, picture)]
            for profile in ("web", "quality", "archive", "edit")
        }
        assert found == {
            "web": [".mkv", ".webm", ".mp4", ".png"],
            "quality": [".mkv", ".mp4", ".mp4", ".png"],
            "archive": [".mkv", ".mkv", ".mkv", ".png"],
            "edit": [".mov", ".mov", ".mov", ".png"],
        }
        assert result_suffix(moving, UpscaleOptions(profile="edit", output_format="webp")) == ".webp"

    def test_suffixes_of_what_an_earlier_version_recorded(self) -> None:
        assert result_suffix(Media("video", 64, 48, 10), UpscaleOptions(output_format="auto")) == ".mp4"
        assert result_suffix(Media("picture", 64, 48, 1), UpscaleOptions(output_format="auto")) == ".png"


class TestFiles:
    def test_placing_never_overwrites(self, tmp_path: Path) -> None:
        source, target = tmp_path / "a", tmp_path / "b"
        source.write_text("new")
        target.write_text("old")
        with pytest.raises(FileExistsError):
            place(source, target)
        assert target.read_text() == "old"
        assert move_aside(source, tmp_path / "c", "b").read_text() == "new"

    def test_writing_durably_is_whole_or_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "f"
        write_durably(file, b"one", keep=tmp_path / "f.bak")
        write_durably(file, b"two", keep=tmp_path / "f.bak")
        assert (file.read_bytes(), (tmp_path / "f.bak").read_bytes()) == (b"two", b"one")

        def fail(_descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", fail)
        with pytest.raises(OSError, match="No space"):
            write_durably(file, b"three")
        assert file.read_bytes() == b"two"
        assert {each.name for each in tmp_path.iterdir()} == {"f", "f.bak"}

    def test_free_names_fit(self) -> None:
        names = free_names("n" * 300 + ".mp4")
        first, second = next(names), next(names)
        assert (len(first), len(second)) == (255, 255)
        assert second.endswith(" (2).mp4")
        os.fsencode(next(free_names("\udcff" * 300)))

    @pytest.mark.parametrize(
        "raw", ["../..", "/", "", "\x00", "....", "a/b\\c\n.png", "\u202egnp.exe", "x" * 999, "\udcff"]
    )
    def test_cleaned_names_are_harmless(self, raw: str) -> None:
        name = clean_name(raw)
        assert name not in ("", ".", "..")
        assert "/" not in name
        assert name.isprintable()
        assert len(name.encode()) <= 255
        assert clean_name(name) == name


class TestLogs:
    def record(self, message: str) -> logging.LogRecord:
        return logging.LogRecord("daemon.x", logging.WARNING, "f.py", 1, message, None, None)

    def test_text_cannot_be_forged_by_a_file_name(self) -> None:
        line = FORMATTERS["text"]().format(self.record("file 'a\n2026-01-01 ERROR fake\x1b[31m'"))
        assert "\x1b" not in line
        assert "\nfake" not in line.replace("2026-01-01 ERROR ", "")

    def test_journald_gets_the_priority_on_each_line(self) -> None:
        assert FORMATTERS["journald"]().format(self.record("hello")) == "<4>daemon.x: hello"

    def test_json_is_one_object_a_line(self) -> None:
        line = FORMATTERS["json"]().format(self.record("a\nb \udcff"))
        assert "\n" not in line
        assert json.loads(line)["level"] == "warning"
        assert json.loads(line)["message"] == "a\nb \udcff"


class TestNotify:
    def test_systemd_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            receiver.bind(str(tmp_path / "n"))
            monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
            notify("READY=1", "STATUS=well")
            assert receiver.recv(100) == b"READY=1\nSTATUS=well"

    def test_without_systemd_nothing_happens(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
        notify("READY=1")
        monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/at/all")
        notify("READY=1")

    def test_the_watchdog_is_for_this_process_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WATCHDOG_USEC", "60000000")
        assert watchdog_s() == 60.0
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
        assert watchdog_s() is None
        monkeypatch.delenv("WATCHDOG_USEC")
        assert watchdog_s() is None


class TestGpu:
    @pytest.fixture
    def two_gpus(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Memory:
            used, total = 3 << 30, 24 << 30

        def unsupported(_handle: object) -> None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

        for name, value in {
            "nvmlInit": lambda: None,
            "nvmlShutdown": lambda: None,
            "nvmlDeviceGetCount": lambda: 2,
            "nvmlDeviceGetHandleByIndex": lambda index: index,
            "nvmlDeviceGetHandleByUUID": lambda _uuid: 1,
            "nvmlDeviceGetIndex": lambda handle: handle,
            "nvmlDeviceGetName": lambda handle: f"GPU number {handle}",
            "nvmlDeviceGetMemoryInfo": lambda _handle: Memory,
            "nvmlDeviceGetUtilizationRates": unsupported,
            "nvmlDeviceGetTemperature": lambda _handle, _kind: 55,
            "nvmlDeviceGetPowerUsage": unsupported,
        }.items():
            monkeypatch.setattr(pynvml, name, value)

    @pytest.mark.parametrize(
        ("asked", "index"), [("0", 0), ("1", 1), ("all", 0), ("GPU-1234", 1), ("7", 0), ("1,0", 1)]
    )
    def test_the_gpu_in_use(self, two_gpus: None, asked: str, index: int) -> None:
        facts = gpu.GpuMonitor(asked).facts()
        assert facts is not None
        assert (facts.index, facts.memory_used_mb, facts.memory_total_mb) == (index, 3072, 24576)
        assert (facts.utilization, facts.temperature_c, facts.power_w) == (None, 55, None)

    def test_without_a_driver(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing() -> None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

        monkeypatch.setattr(pynvml, "nvmlInit", missing)
        assert gpu.GpuMonitor("0").facts() is None
        assert gpu.cards() == []


def test_network_file_systems_are_recognised(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 8:1 / / rw - ext4 /dev/sda rw\n"
        f"30 22 0:40 / {tmp_path}/my\\040share rw,relatime shared:1 - nfs4 server:/x rw\n"
        f"31 22 0:41 / {tmp_path}/ssh rw - fuse.sshfs host:/x rw\n"
    )
    assert filesystem_of(tmp_path / "my share" / "inbox", mounts) == "nfs4"
    assert filesystem_of(tmp_path / "ssh", mounts) == "fuse.sshfs"
    assert filesystem_of(tmp_path / "elsewhere", mounts) == "ext4"
    assert is_network("nfs4")
    assert is_network("fuse.sshfs")
    assert not is_network("ext4")
    assert not is_network("")


def test_paths_are_taken_out_of_sentences() -> None:
    redact = Redactor(PathSettings(inbox=Path("/srv/in"), models=(Path("/srv/in/models"),), outputs=Path("/srv/out")))
    assert redact("see /srv/in/models/a.gguf and /srv/out/b.mp4") == "see models/a.gguf and outputs/b.mp4"
    # A command is there to be run.
    assert redact("/srv/out is full: `rm /srv/out/x`") == "outputs is full: `rm /srv/out/x`"
