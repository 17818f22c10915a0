"""Fifty faults in one job: the film comes out as if nothing had been."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.daemon.cluster.conftest import Clustered, film
from tests.daemon.cluster.test_local import SIZE, Poller, alone, strike
from tests.daemon.conftest import eventually
from tests.daemon.work.test_segments import coded

__all__ = ["alone"]
SLOW = "tests.daemon.cluster.slow_gateway"
FAULTS, UNITS, SEED = 50, 60, 7


@pytest.mark.long
def test_fifty_faults_on_a_job_of_sixty_units(
    start_cluster: Callable[..., Clustered],
    tmp_path: Path,
    alone: Callable[[Path], list[tuple[int | None, bytes]]],
) -> None:
    running = start_cluster(tmp_path / "service", SLOW, SEEDVR2_CLUSTER_UNIT_ATTEMPTS=str(FAULTS))
    clip = film(tmp_path / "clip.mp4", shots=20, frames=18)
    dice = random.Random(SEED)
    with Poller(running) as poller:
        job_id = running.submit("clip.mp4", clip.read_bytes(), **SIZE)
        eventually(lambda: running.segments_done(job_id) >= 1)
        repeated = []
        for number in range(FAULTS):
            eventually(lambda: running.cluster.foreman.places_of(job_id), 120)
            # Now and then a unit gets through, or it would never end; the last ones come at any rate.
            if number % 2:
                done = running.segments_done(job_id)
                eventually(lambda done=done: running.segments_done(job_id) > done, 120)
                eventually(lambda: running.cluster.foreman.places_of(job_id), 120)
            lost = running.units("lost")
            what = dice.choice(("slot", "slot", "gateway", "raylet", "gcs_server"))
            strike(running, what)
            eventually(lambda lost=lost: running.cluster.capacity != 2 or running.units("lost") > lost, 120)
            eventually(lambda: running.cluster.capacity == 2, 120)
            repeated.append((what, running.units("lost") - lost))
        finished = eventually(lambda: running._if_finished(job_id), 300)
    print("repeated", repeated, "slowest answer", poller.slowest)
    assert finished["status"] == "completed", finished
    assert set(poller.answers) == {200}
    assert all(count <= (1 if what == "slot" else 2) for what, count in repeated)
    assert running.units("made") == 1 + UNITS
    assert coded(Path(str(finished["output_path"]))) == alone(clip)
