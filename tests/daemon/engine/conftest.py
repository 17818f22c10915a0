"""A service whose engine is a child that misbehaves on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon.engine import child
from daemon.engine.child_executor import ChildExecutor
from daemon.settings.keys import ModelSettings
from daemon.work import engine_trouble

Make = Callable[..., ChildExecutor]


class Control:
    """The folder that the children obey."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name: str, times: int = 1) -> None:
        """Let `name` happen so often."""
        (self.folder / name).write_text(str(times))

    def left(self, name: str) -> int:
        """How often it is still to happen."""
        return int((self.folder / name).read_text())

    def forget(self, name: str) -> None:
        (self.folder / name).unlink()


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Control:
    folder = tmp_path / "control"
    folder.mkdir()
    monkeypatch.setenv("CHILD_CONTROL", str(folder))
    # A crash that is asked for needs no picture of the memory.
    monkeypatch.setattr(child, "SILENT_S", 3.0)
    monkeypatch.setattr(engine_trouble, "FIRST_REST_S", 0.2)
    return Control(folder)


@pytest.fixture
def make(control: Control, tmp_path: Path) -> Iterator[Make]:
    """Makes executors with misbehaving children; ends them."""
    made: list[ChildExecutor] = []

    def begin(**more: object) -> ChildExecutor:
        settings = more.pop("settings", ModelSettings())
        executor = ChildExecutor(
            tmp_path / "models",
            settings,  # type: ignore[arg-type]
            main="tests.daemon.engine.misbehaving_child",
            probe_main="tests.daemon.engine.misbehaving_prober",
            **more,  # type: ignore[arg-type]
        )
        made.append(executor)
        return executor

    yield begin
    for executor in made:
        executor.unload()
