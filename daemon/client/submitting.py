"""`submit`: files to the daemon, and their results back where that is asked for."""

from __future__ import annotations

import argparse
from pathlib import Path

from daemon.client.following import wait_for
from daemon.client.output import Output
from daemon.jobs.parameters import JOB_PARAMETERS
from rest_client.api import Api, Problem, segment
from seedvr2.arguments import given


async def submit(api: Api, arguments: argparse.Namespace, output: Output) -> bool:
    """Send all files, then wait for them and fetch the results if asked to."""
    fields = {name: str(value).lower() if value in (True, False) else value
              for name, value in given(arguments, JOB_PARAMETERS).items()}  # fmt: skip
    if arguments.preset:
        fields["preset"] = arguments.preset
    folder: Path | None = arguments.download
    if folder is not None and not folder.is_dir():
        raise Problem(f"There is no folder {folder} for the results.", 400)
    for file in arguments.files:
        if not file.is_file():
            raise Problem(f"There is no file {file}; folders are watched by way of the inbox.", 400)
    tasks = []
    for path in arguments.files:
        try:
            with path.open("rb") as file:
                answer = await api.upload(file, path.name, fields)
        except OSError as error:
            raise Problem(f"{path} cannot be read: {error.strerror}.", 400) from error
        tasks.append(str(answer["task_id"]))
        place = f"{path.name}  number {answer['queue_position']} in the queue"
        output.answer(answer, f"{answer['task_id']}  {place}")
    if not arguments.wait and folder is None:
        return True
    return all([await _fetched(api, task, folder, output) for task in tasks])


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
