"""Each command does what its name says, in words and as JSON, and its exit status says what came of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedvr2.errors import MediaError
from tests.daemon.client.conftest import Command
from tests.daemon.conftest import Running, eventually, picture


def test_a_file_there_and_back(running: Running, command: Command, tmp_path: Path) -> None:
    source, results = picture(tmp_path / "mine" / "photo.png"), tmp_path / "results"
    results.mkdir()
    ended = command("submit", source, "--resolution", "48", "--seed=7", "--download", results)
    assert ended.status == 0, ended.err
    (result,) = results.iterdir()
    assert "photo.png  number 1 in the queue" in ended.out and "completed: " in ended.out
    assert ended.out.splitlines()[-1].endswith(str(result))
    (job,) = running.history()
    assert (job.draft.options["resolution"], job.draft.options["seed"]) == (48, 7)
    assert source.exists()


def test_a_plan_is_made_and_nothing_is_kept(running: Running, command: Command, tmp_path: Path) -> None:
    small, large = picture(tmp_path / "small.png"), picture(tmp_path / "large.png", size=(1200, 900))
    said = command("plan", small, "--scale", "2")
    assert said.status == 0, said.err
    assert said.out.splitlines()[:2] == ["small.png  32x24 to 64x48", "  model   nano.safetensors"]
    assert said.out.splitlines()[-1] == "  it fits"
    both = command("plan", small, large)
    assert both.status == 1
    assert both.out.splitlines()[-1] == "  IT DOES NOT FIT: It takes too much memory; use a smaller resolution."
    assert [plan["fits"] for plan in command("plan", small, large, "--json").objects] == [True, False]
    assert command("plan", tmp_path / "gone.png").status == 2
    assert running.get("/api/queue/status").json()["in_system"] == 0


def test_presets_are_listed_and_taken(running: Running, command: Command, tmp_path: Path) -> None:
    assert command("presets").out.startswith("There is no preset yet; ")
    running.service.context.presets.save("film", {"resolution": 48, "tf32": True, "dit_model": "A-Q6_K.gguf"})
    running.service.context.presets.save("small", {"resolution": 48})
    assert command("presets").out == "film  resolution=48 tf32=true dit_model=A-Q6_K.gguf\nsmall  resolution=48\n"
    (listed,) = command("presets", "--json").objects
    assert [each["name"] for each in listed["presets"]] == ["film", "small"]
    source = picture(tmp_path / "mine" / "photo.png")
    assert command("submit", source, "--preset", "small", "--wait").status == 0
    wrong = command("submit", source, "--preset", "smal")
    assert wrong.status == 2 and wrong.err == "seedvr2d: There is no preset 'smal'. Did you mean 'small'?\n"
    assert [job.draft.options["resolution"] for job in running.history()] == [48]


def test_a_result_replaces_no_file(running: Running, command: Command, tmp_path: Path) -> None:
    source = picture(tmp_path / "mine" / "photo.png")
    name = Path(str(running.finished(running.submit("photo.png"))["output_filename"])).name
    running.results()[0].unlink()
    (tmp_path / "mine" / name).write_bytes(b"mine")
    ended = command("submit", source, "--download", tmp_path / "mine")
    assert ended.status == 1 and f"{name} cannot be written: File exists." in ended.err
    assert (tmp_path / "mine" / name).read_bytes() == b"mine"


def test_what_runs_and_waits_and_how_it_is_cancelled(running: Running, command: Command, tmp_path: Path) -> None:
    assert command("ps").out.split() == ["ID", "FILE", "STATE"]
    running.executor.gate.clear()
    first, second = (running.submit(name) for name in ("a.png", "b.png"))
    eventually(running.executor.running.is_set)
    rows = command("ps").out.splitlines()
    assert [row.split()[:2] for row in rows[1:]] == [[first, "a.png"], [second, "b.png"]]
    assert rows[2].endswith("queued, number 2 in the queue")
    (queue,) = command("ps", "--json").objects
    assert (queue["processing_task_id"], queue["queue_length"]) == (first, 1)
    ended = command("cancel", second)
    assert (ended.status, ended.out) == (0, f"{second}  cancelled\n")
    again = command("cancel", second)
    assert again.status == 1 and "seedvr2d: " in again.err
    retried = command("retry", second, "--json")
    assert retried.status == 0 and retried.objects[0]["retry_of"] == second
    running.executor.gate.set()
    waited = command("status", retried.objects[0]["task_id"], "--wait")
    assert waited.status == 0 and "b.png  completed: " in waited.out
    listed = command("ps", "--all").out
    assert f"{second}  b.png  cancelled" in listed and f"{first}  a.png  completed: " in listed


def test_a_task_that_fails_is_1_where_it_is_waited_for(running: Running, command: Command, tmp_path: Path) -> None:
    running.executor.errors.append(MediaError("photo.png is damaged."))
    source = picture(tmp_path / "mine" / "photo.png")
    ended = command("submit", source, "--wait")
    assert ended.status == 1 and "photo.png  failed: photo.png is damaged." in ended.out
    task = ended.out.split()[0]
    # Asked for, it is an answer.
    assert command("status", task).status == 0
    lines = command("logs").out
    assert f"{task}  photo.png  failed: photo.png is damaged." in lines
    assert command("logs", task, "--json").objects[0]["id"] == task


def test_the_queue_pauses_and_goes_on(running: Running, command: Command, tmp_path: Path) -> None:
    assert command("pause").out.startswith("Paused until `seedvr2d resume`: ")
    task = running.submit()
    assert "; paused: the queue is paused" in command("status").out
    assert command("pause", "--now", "--json").objects[0]["held_by"] == "request"
    assert not running.executor.runs
    assert command("resume").out == "The queue goes on.\n"
    assert running.finished(task)["status"] == "completed"


def test_how_the_daemon_is(running: Running, command: Command) -> None:
    ended = command("status")
    assert ended.status == 0
    assert ended.out.startswith("healthy, version ") and "0 running, 0 waiting" in ended.out
    (state,) = command("status", "--json").objects
    assert state["health"]["status"] == "healthy" and state["queue"]["queue_length"] == 0 and "device" in state["gpu"]
    unloads = running.executor.unloads
    assert command("unload").out == "The model is out of memory.\n"
    assert running.executor.unloads >= unloads


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (("status", "nothing"), 4, "nothing"),
        (("submit", "/nowhere/a.png"), 2, "There is no file /nowhere/a.png"),
        (("submit", __file__), 2, "neither a picture nor a video"),
        (("submit", __file__, "--resolution", "huge"), 2, "resolution takes a whole number"),
        (("submit", __file__, "--dit-model", "none"), 4, "There is no model none"),
        (("submit", __file__, "--download", "/nowhere"), 2, "There is no folder /nowhere"),
        (("ps", "--url", "http://127.0.0.1:9"), 3, "No SeedVR2 server answers at http://127.0.0.1:9"),
        (("ps", "--url", "localhost"), 2, "--url takes an address such as"),
    ],
)
def test_what_is_refused_has_a_status_and_a_sentence(
    command: Command, words: tuple[str, ...], status: int, sentence: str
) -> None:
    ended = command(*words)
    assert (ended.status, ended.out) == (status, "") and sentence in ended.err
    as_json = command(*words, "--json")
    assert (as_json.status, as_json.err) == (status, "") and sentence in as_json.objects[0]["error"]


def test_the_queue_is_paused_and_resumed(running: Running, command: Command) -> None:
    running.executor.gate.clear()
    job_id = running.submit("a.png")
    eventually(running.executor.running.is_set)
    paused = command("pause", "--now", "--json")
    assert paused.status == 0 and paused.objects[0]["held_by"] == "request"
    eventually(lambda: running.get(f"/api/status/{job_id}").json()["status"] == "queued")
    assert "paused: the queue is paused" in command("status").out
    running.executor.gate.set()
    assert command("resume").out == "The queue goes on.\n"
    assert running.finished(job_id)["status"] == "completed"
