"""Tells whoever listens what happens to jobs: event streams, webhook, metrics."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from daemon.jobs.job import Job, Progress

log = logging.getLogger(__name__)
BACKLOG = 256


@dataclass(frozen=True, slots=True)
class Event:
    """A job changed its state, or got further (`progress` is set then)."""

    number: int
    job: Job
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something of no job: `kind` is the name of the event, `key` what it is about, `data` what is said."""

    number: int
    kind: str
    key: str
    data: dict[str, Any]


class Subscription:
    """The events of one listener that have not been read yet; progress is dropped first when it lags."""

    def __init__(self, hub: EventHub, job_id: str | None) -> None:
        self._hub = hub
        self._job_id = job_id
        self._condition = threading.Condition()
        self._events: deque[Event | Notice] = deque(maxlen=BACKLOG)
        self._closed = False

    def next(self, timeout: float) -> Event | Notice | None:
        """The next event, or None after `timeout` seconds or when it is over (see `closed`)."""
        with self._condition:
            self._condition.wait_for(lambda: self._events or self._closed, timeout)
            return self._events.popleft() if self._events else None

    @property
    def closed(self) -> bool:
        """Whether nothing more will come."""
        return self._closed and not self._events

    def offer(self, event: Event | Notice) -> None:
        """Take an event in, if it is of interest."""
        if self._job_id is not None and (isinstance(event, Notice) or event.job.id != self._job_id):
            return
        with self._condition:
            if self._events and _replaces(event, self._events[-1]):
                self._events.pop()
            self._events.append(event)
            self._condition.notify()

    def close(self) -> None:
        """End it; a reader that waits is let go."""
        self._hub.drop(self)
        with self._condition:
            self._closed = True
            self._condition.notify_all()


def _replaces(event: Event | Notice, last: Event | Notice) -> bool:
    """Whether who has not read `last` need not any more."""
    if isinstance(event, Notice) or isinstance(last, Notice):
        return isinstance(event, Notice) and isinstance(last, Notice) and event.key == last.key
    return bool(last.progress and event.progress and last.job.id == event.job.id)


class EventHub:
    """Hands every event to every listener. Thread-safe; publishing never waits for a reader."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscriptions: set[Subscription] = set()
        self._listeners: list[Callable[[Event], None]] = []
        self._number = 0

    def subscribe(self, job_id: str | None = None) -> Subscription:
        """A stream of the events of one job, or of all."""
        subscription = Subscription(self, job_id)
        with self._lock:
            self._subscriptions.add(subscription)
        return subscription

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` with each event, in the thread that publishes; it must be quick. What it raises is logged."""
        self._listeners.append(listener)

    def publish(self, job: Job, progress: Progress | None = None) -> None:
        """Tell everybody."""
        with self._lock:
            self._number += 1
            event = Event(self._number, job, progress)
            subscriptions = list(self._subscriptions)
        for subscription in subscriptions:
            subscription.offer(event)
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                # The boundary of who is told: no trouble of theirs may become the job's.
                log.exception("job %s: one of those who are told of it failed", job.id)

    def tell(self, kind: str, key: str, data: dict[str, Any]) -> None:
        """Tell the streams of all events something that is of no job."""
        with self._lock:
            self._number += 1
            notice = Notice(self._number, kind, key, data)
            subscriptions = list(self._subscriptions)
        for subscription in subscriptions:
            subscription.offer(notice)

    def drop(self, subscription: Subscription) -> None:
        """Forget a subscription."""
        with self._lock:
            self._subscriptions.discard(subscription)

    def close(self) -> None:
        """End every stream."""
        for subscription in list(self._subscriptions):
            subscription.close()
