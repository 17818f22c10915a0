"""The limit of descriptors: raised as far as the system lets us, and shared out."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from daemon import descriptors

ASK = """
import resource
from daemon.descriptors import connection_limit, raise_limit
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
raise_limit()
print(*resource.getrlimit(resource.RLIMIT_NOFILE), connection_limit())
"""


def after(soft: int, hard: int) -> list[int]:
    """Soft limit, hard limit and connections of a process that began with these limits."""
    program = ASK.format(soft=soft, hard=hard)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return [int(each) for each in ended.stdout.split()]


@pytest.mark.parametrize(
    ("soft", "hard", "expected"),
    [
        (1024, 4096, [4096, 4096, 1984]),
        (4096, 4096, [4096, 4096, 1984]),
        (128, 128, [128, 128, 32]),
        (1024, 16384, [16384, 16384, 2000]),
    ],
)
def test_the_soft_limit_becomes_the_hard_one_and_connections_get_a_part(
    soft: int, hard: int, expected: list[int]
) -> None:
    assert after(soft, hard) == expected


def test_a_limit_without_end_is_not_taken_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1024, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", lambda _which, limits: taken.append(limits))
    descriptors.raise_limit()
    assert taken == [(65536, resource.RLIM_INFINITY)]


def test_a_system_that_forbids_it_is_lived_with(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(_which: int, _limits: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _which: (256, 4096))
    monkeypatch.setattr(resource, "setrlimit", forbid)
    descriptors.raise_limit()
    assert descriptors.connection_limit() == 64
