"""The laboratory of each row, taken down whatever happens; the table at the end."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from tests.faults.invariants import Foreign
from tests.faults.lab import Daemon, new_root
from tests.faults.mounts import Disk, Ext4, take_away
from tests.faults.report import Counts, Row, table

D = TypeVar("D", bound=Disk)
COUNTS = pytest.StashKey[dict[str, Counts]]()
TITLES = pytest.StashKey[dict[str, str]]()


class Lab:
    """Daemons, disks and foreign files of one row."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.foreign = Foreign()
        self.counts = Counts()
        self._daemons: list[Daemon] = []
        self._disks: list[Disk] = []

    def daemon(
        self,
        name: str = "one",
        folders: Mapping[str, Path] | None = None,
        before: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
        *,
        real: bool = False,
    ) -> Daemon:
        """A daemon with folders of its own, not started yet."""
        made = Daemon(self.root / name, folders, before, settings, real=real)
        self._daemons.append(made)
        return made

    def disk(self, name: str, mib: int = 24) -> Ext4:
        """An ext4 disk at `root/name`."""
        return self.mounted(Ext4(self.root / f"{name}.img", self.root / name, mib))

    def mounted(self, disk: D) -> D:
        """Take down `disk` at the end."""
        self._disks.append(disk)
        return disk

    def fault(self, number: int = 1) -> None:
        """Count a fault that was made."""
        self.counts.faults += number

    def checked(self, files: int) -> None:
        """Count files whose fate was checked."""
        self.counts.files += files

    def close(self) -> None:
        """End what was started, unmount what was mounted, remove the rest."""
        for daemon in self._daemons:
            daemon.kill()
            self.counts.jobs += len(daemon.accepted) + len(daemon.dropped)
            # Shown by pytest if the row has failed.
            print(f"--- the last log of {daemon.root.name}:\n{daemon.log}")
        for disk in reversed(self._disks):
            disk.close()
        for point in _mounts_below(self.root):
            take_away(point)
        # Whatever could not be unmounted must not be emptied.
        assert not _mounts_below(self.root)
        # Not shutil: it is no match for a thousand nested folders.
        subprocess.run(["rm", "-rf", str(self.root)], check=True)


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A laboratory, taken down at the end."""
    node = request.node
    made = Lab(new_root())
    node.config.stash.setdefault(COUNTS, {})[node.nodeid] = made.counts
    node.config.stash.setdefault(TITLES, {})[node.nodeid] = node.function.__doc__.strip().partition("\n")[0]
    try:
        yield made
    finally:
        made.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The fault table, of the rows that were run."""
    titles, counts = config.stash.get(TITLES, {}), config.stash.get(COUNTS, {})
    outcomes = {
        report.nodeid: name
        for name in ("passed", "skipped", "failed", "error")
        for report in _of(terminalreporter, name)
    }
    rows: dict[str, Row] = {}
    for node, title in titles.items():
        outcome = outcomes.get(node, "failed")
        rows.setdefault(title, Row(title)).add("failed" if outcome == "error" else outcome, counts[node])
    if rows:
        terminalreporter.section("the fault table")
        for line in table(rows.values()):
            terminalreporter.write_line(line)


def _of(reporter: pytest.TerminalReporter, outcome: str) -> list[pytest.TestReport]:
    return [each for each in reporter.stats.get(outcome, []) if isinstance(each, pytest.TestReport)]


def _mounts_below(root: Path) -> list[Path]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [Path(line.split()[4].replace("\\040", " ")) for line in lines]
    return sorted((point for point in points if point.is_relative_to(root)), reverse=True)
