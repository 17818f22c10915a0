"""`submit`: files to the daemon, and their results back where that is asked for."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from daemon.client.following import wait_for
from daemon.client.output import Output
from daemon.jobs.parameters import JOB_PARAMETERS
from rest_client.api import Api, Problem, segment
from seedvr2.arguments import given


async def submit(api: Api, arguments: argparse.Namespace, output: Output) -> bool:
    """Send all files, then wait for them and fetch the results if asked to."""
    fields = fields_of(arguments)
    folder: Path | None = arguments.download
    if folder is not None and not folder.is_dir():
        raise Problem(f"There is no folder {folder} for the results.", 400)
    tasks = []
    for path, file in open_files(arguments.files):
        answer = await api.upload(file, path.name, fields)
        tasks.append(str(answer["task_id"]))
        place = f"{path.name}  number {answer['queue_position']} in the queue"
        output.answer(answer, f"{answer['task_id']}  {place}")
    if not arguments.wait and folder is None:
        return True
    return all([await _fetched(api, task, folder, output) for task in tasks])


def fields_of(arguments: argparse.Namespace) -> dict[str, str | int | float]:
    """The parameters that were given, as a form has them."""
    fields = {
        name: str(value).lower() if value in (True, False) else value
        for name, value in given(arguments, JOB_PARAMETERS).items()
    }
    if arguments.preset:
        fields["preset"] = arguments.preset
    return fields


def open_files(paths: Sequence[Path]) -> Iterator[tuple[Path, BinaryIO]]:
    """Each file, opened when it is its turn. Raises Problem, for a missing one before the first."""
    for path in paths:
        if not path.is_file():
            raise Problem(f"There is no file {path}; folders are watched by way of the inbox.", 400)
    for path in paths:
        try:
            file = path.open("rb")
        except OSError as error:
            raise Problem(f"{path} cannot be read: {error.strerror}.", 400) from error
        with file:
            yield path, file


async def _fetched(api: Api, task: str, folder: Path | None, output: Output) -> bool:
    if not await wait_for(api, task, output):
        return False
    if folder is not None:
        # The name is the server's word; only its last part may count.
        path = await api.download(
            f"/api/download/{segment(task)}", lambda name: folder / (Path(name).name or f"{task}.result")
        )
        output.answer({"task_id": task, "downloaded": str(path)}, f"{task}  {path}")
    return True
