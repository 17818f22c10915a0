"""Notifications through Apprise: told in words, tried again, shown in /health while they fail."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from daemon.errors import ConfigError
from daemon.outside.notifications import notifications, words
from daemon.settings.keys import NotifySettings
from seedvr2.errors import MediaError
from tests.daemon.conftest import Start, eventually
from tests.daemon.outside.test_webhook import Receiver
from tests.daemon.outside.test_webhook import receiver as receiver


def test_what_is_said() -> None:
    done: dict[str, Any] = {"status": "completed", "original_filename": "clip.mp4", "output_filename": "clip_1080p.mp4"}
    done |= {"output_resolution": "1920x1080", "model": "nano", "process_time": 25.4, "warnings": ["It is cut off."]}
    assert words(done) == ("clip.mp4 is done", "clip_1080p.mp4, 1920x1080, by nano in 25 s\nIt is cut off.")
    failed = {"status": "failed", "original_filename": "clip.mp4", "error": "clip.mp4 is damaged."}
    assert words(failed) == ("clip.mp4 has failed", "clip.mp4 is damaged.")
    assert words(failed | {"status": "cancelled", "error": ""})[0] == "clip.mp4 was cancelled"


def test_without_apprise_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert notifications(NotifySettings(), tmp_path, dict) == []
    with pytest.raises(ConfigError, match="pip install apprise"):
        notifications(NotifySettings(urls=("ntfy://topic",)), tmp_path, dict)


# Apprise looks whether this module is there.
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
class TestWithApprise:
    @pytest.fixture(autouse=True)
    def _apprise(self) -> None:
        pytest.importorskip("apprise")

    def test_a_job_that_ends_is_told_again_until_it_arrives(self, receiver: Receiver, start: Start) -> None:
        receiver.statuses = [500]
        running = start(SEEDVR2_NOTIFY_URLS=receiver.url.replace("http", "json"))
        (courier,) = running.service.context.couriers[1:]
        courier._first_pause_s = 0.5
        running.submit("photo.png")
        eventually(lambda: running.get("/health").json()["problems"])
        (problem,) = running.get("/health").json()["problems"]
        assert problem.startswith("notify json: the last message could not be delivered: ")
        eventually(lambda: not running.get("/health").json()["problems"])
        (first, second) = (json.loads(body) for _, body in receiver.got)
        assert first["title"] == second["title"] == "photo.png is done"
        assert second["type"] == "success" and "64x48, by nano.safetensors" in second["message"]
        assert list((running.config.paths.state / "notify").rglob("*.json")) == []

    def test_only_failures_where_that_is_asked_for(self, receiver: Receiver, start: Start) -> None:
        url = receiver.url.replace("http", "json")
        running = start(SEEDVR2_NOTIFY_URLS=f"{url},{url}2", SEEDVR2_NOTIFY_WHEN="failed")
        running.finished(running.submit("good.png"))
        running.executor.errors.append(MediaError("bad.png is damaged."))
        running.finished(running.submit("bad.png"))
        eventually(lambda: len(receiver.got) == 2)
        told = {json.loads(body)["title"] for _, body in receiver.got}
        assert told == {"bad.png has failed"}

    def test_an_address_that_is_none_is_refused_and_not_shown(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="begins with 'nonsense'") as refused:
            notifications(NotifySettings(urls=("nonsense://s3cret@host",)), tmp_path, dict)
        assert "s3cret" not in str(refused.value)

    def test_an_address_with_commas_in_it_is_one(self, tmp_path: Path) -> None:
        told = notifications(NotifySettings(urls=("mailto://a:b@c.org?to=d@e.org", "f@g.org")), tmp_path, dict)
        assert len(told) == 1
