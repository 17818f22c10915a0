"""The hub: what one listener raises reaches neither the job nor the other listeners."""

from __future__ import annotations

import pytest

from daemon.jobs.job import Job
from daemon.outside.events import Event, EventHub
from tests.daemon.jobs.test_job import draft


def test_a_listener_that_fails_is_logged_and_the_others_are_told(caplog: pytest.LogCaptureFixture) -> None:
    hub, told = EventHub(), []

    def broken(_event: Event) -> None:
        raise ZeroDivisionError

    hub.listen(broken)
    hub.listen(lambda event: told.append(event.job.id))
    subscription = hub.subscribe()
    hub.publish(Job("0000000a", 1, 0.0, draft()))
    assert told == ["0000000a"]
    assert subscription.next(0.0) is not None
    assert "0000000a" in caplog.text
    assert "ZeroDivisionError" in caplog.text
