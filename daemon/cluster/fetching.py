"""Models fetched on machines of the cluster, in the gateway's process: an actor for each, heard and ended."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from daemon.cluster import messages as say
from daemon.cluster.fetcher import CALLS, Fetcher
from daemon.cluster.slot import rested
from daemon.engine.pull_process import MAIN

_NOTHING = {"num_cpus": 0, "num_gpus": 0, "max_restarts": 0, "max_task_retries": 0, "max_concurrency": CALLS}


class Fetching:
    """Used in the event loop.

    Args:
        send: to the service. main: the module that a download runs.
    """

    def __init__(self, send: Callable[[say.FromGateway], None], main: str = MAIN) -> None:
        self._send = send
        self._main = main
        self._class = ray.remote(**_NOTHING)(Fetcher)
        self._running: dict[int, Any] = {}

    def stop(self, number: int) -> None:
        """Give one up."""
        if number in self._running:
            self._running[number].end.remote()

    def start(self, fetch: say.Fetch, node: str) -> Coroutine[Any, Any, None]:
        """Begin to fetch a model on a machine, which Ray calls `node`; from now on that can be stopped.

        Returns:
            What lasts until it has ended and that is said.
        """
        here = NodeAffinitySchedulingStrategy(node, soft=False)
        fetcher = self._class.options(scheduling_strategy=here).remote(fetch.model, self._main)
        self._running[fetch.number] = fetcher
        return self._carry_out(fetcher, fetch.number)

    async def _carry_out(self, fetcher: Any, number: int) -> None:
        telling = asyncio.create_task(self._follow(fetcher, number))
        try:
            ended = say.FetchEnded(number, await _answer(fetcher.run.remote()))
        except RayError as error:
            ended = say.FetchEnded(number, str(error).strip().partition("\n")[0][:200], lost=True)
        finally:
            telling.cancel()
            del self._running[number]
            with contextlib.suppress(RayError):
                ray.kill(fetcher)
        self._send(ended)

    async def _follow(self, fetcher: Any, number: int) -> None:
        seen = 0
        while True:
            since = time.monotonic()
            try:
                told = await _answer(fetcher.told.remote(seen))
            except RayError:
                # Who waits for its end learns of it, too.
                return
            if told is None:
                return
            if told["step"] is not None and told["number"] > seen:
                seen = told["number"]
                self._send(say.FetchStep(number, **told["step"]))
            await asyncio.sleep(rested(since))


async def _answer(ref: Any) -> Any:
    return await ref
