"""Fifty faults in one job, of every part of cluster and service: the film comes out as if nothing had been."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.daemon.cluster.apart import PARTS, Apart, Watch
from tests.daemon.cluster.conftest import film
from tests.daemon.cluster.slow_gateway import HOLD, RECORD
from tests.daemon.cluster.test_local import SIZE, alone
from tests.daemon.conftest import eventually
from tests.daemon.work.test_segments import coded

__all__ = ["alone"]
SLOW = "tests.daemon.cluster.slow_gateway"
FAULTS, UNITS = 50, 60


@pytest.mark.long
@pytest.mark.parametrize("seed", [7])
def test_fifty_faults_on_a_job_of_sixty_units(
    tmp_path: Path, alone: Callable[[Path], list[tuple[int | None, bytes]]], seed: int
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'seedvr2d[cluster]'")
    clip, record = film(tmp_path / "clip.mp4", shots=20, frames=18), tmp_path / "begun"
    hold = tmp_path / "hold"
    dice, struck, running = random.Random(seed), Counter[str](), 0
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as temporary:
        variables = {
            RECORD: str(record),
            HOLD: str(hold),
            "TMPDIR": temporary,
            "OMP_NUM_THREADS": str(torch.get_num_threads()),
        }
        attempts = {"SEEDVR2_CLUSTER_UNIT_ATTEMPTS": str(FAULTS)}
        with Apart(tmp_path / "service", SLOW, variables, **attempts) as service, Watch(service) as watch:
            job_id = service.submit(clip, **SIZE)
            eventually(lambda: service.segments_done(job_id) >= 1)
            hold.touch()
            for number in range(FAULTS):
                if number % 3 == 0:
                    # Now and then some get through, so that there are more and more to go on with.
                    done = service.segments_done(job_id)
                    hold.unlink()
                    eventually(lambda done=done: service.segments_done(job_id) > done, 120)
                    hold.touch()
                at_work = eventually(lambda: service.at_work(job_id), 120)
                what = dice.choice(("slot", *PARTS))
                service.strike(what)
                struck[what] += 1
                running += 1 if what == "slot" else len(at_work)
            hold.unlink()
            finished = eventually(lambda: service.if_finished(job_id), 300)
        left = list(Path(temporary).glob("seedvr2d-*"))
    begun = Counter(record.read_text().split())
    print(dict(struck), f"begun {begun.total()}, running {running}, slowest answer {watch.slowest:.3f} s")
    assert finished["status"] == "completed", finished
    assert watch.failures == []
    assert len(begun) == UNITS
    assert begun.total() - UNITS <= running
    assert coded(Path(str(finished["output_path"]))) == alone(clip)
    assert left == []
