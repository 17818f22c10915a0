"""The keys, statuses and errors that the API document and its settled contract promise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.daemon.conftest import PATIENCE_S, Running, Start, eventually, png

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def test_health(running: Running) -> None:
    health = running.get("/health").json()
    assert {"status", "version", "queue_enabled", "queue_length", "timestamp", "worker", "uptime_s"} <= set(health)
    assert health["status"] == "healthy"
    assert health["worker"] == "idle"
    assert TIMESTAMP.fullmatch(health["timestamp"])


def test_health_is_503_once_the_worker_is_dead(running: Running) -> None:
    running.service.worker.stop(5)
    answer = running.get("/health")
    assert answer.status_code == 503
    assert answer.json()["worker"] == "dead"


def test_gpu_status_has_every_key_without_a_gpu(running: Running) -> None:
    status = running.get("/api/gpu/status").json()
    documented = (
        "cuda_available gpu_name vram_used_mb vram_total_mb model_loaded current_model loading loading_model "
        "processing current_task device model_idle_s idle_timeout_s ram_used_mb"
    )
    assert set(documented.split()) <= set(status)
    assert status["model_loaded"] is False
    assert status["ram_used_mb"] > 10


def test_submit_status_position_history_and_download(running: Running) -> None:
    running.executor.gate.clear()
    answer = running.post(
        "/api/process", files={"file": ("Ünï 照片.png", png())}, data={"resolution": "480", "seed": ""}
    )
    submitted = answer.json()
    assert answer.status_code == 200
    assert submitted["status"] == "queued"
    assert submitted["queue_position"] == 1
    assert submitted["estimated_wait_seconds"] >= 0
    job_id = submitted["task_id"]
    assert re.fullmatch("[0-9a-f]{8}", job_id)
    assert running.executor.running.wait(PATIENCE_S)
    second = running.submit()
    status = eventually(lambda: running.get(f"/api/status/{job_id}").json())
    assert status["status"] == "processing"
    assert status["params"]["resolution"] == 480
    assert status["params"]["seed"] == 42
    assert status["original_filename"] == "Ünï 照片.png"
    assert TIMESTAMP.fullmatch(status["created_at"])
    position = running.get(f"/api/queue/position/{second}").json()
    assert position["status"] == "queued"
    assert position["position"] == 2
    assert running.get(f"/api/queue/position/{job_id}").json() == {
        "task_id": job_id, "status": "processing", "position": 0, "estimated_wait": 0,
    }  # fmt: skip
    queue = running.get("/api/queue/status").json()
    assert queue["queue_length"] == 1
    assert queue["in_system"] == 2
    assert queue["processing"]["task_id"] == queue["processing_task_id"] == job_id
    assert [(each["task_id"], each["position"]) for each in queue["pending_tasks"]] == [(second, 2)]
    assert running.get(f"/api/download/{second}").status_code == 400
    assert "queued" in running.get(f"/api/download/{second}").json()["error"]

    running.executor.gate.set()
    done = running.finished(job_id)
    running.finished(second)
    assert done["progress"] == 100
    assert Path(str(done["output_path"])).is_file()
    assert done["output_filename"] == "Ünï 照片_nano_48p_b5_clab_s42_0s.png"
    assert done["output_resolution"] == "64x48"
    assert done["process_time"] >= 0
    history = running.get("/api/queue/history?limit=1").json()["history"]
    assert [entry["id"] for entry in history] == [second]
    assert running.get("/api/queue/history?status=failed").json() == {"history": []}
    assert running.get("/api/queue/history?limit=many").status_code == 400
    assert running.get("/api/queue/history?status=odd").status_code == 400
    totals = running.get("/api/queue/status").json()
    assert (totals["total_completed"], totals["total_failed"], totals["processing"]) == (2, 0, None)


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"resolution": "12"}, 400, "resolution takes a whole number from 16"),
        ({"scale": "0.5"}, 400, "scale takes 0, or a number from 1 to 64, not '0.5'."),
        ({"strength": "2"}, 400, "strength takes a number from 0 to 1"),
        ({"softness": "-1"}, 400, "softness takes a number from 0 to 1"),
        ({"batch_size": "five"}, 400, "batch_size"),
        ({"color_correction": "sepia"}, 400, "one of lab"),
        ({"vae_tilling": "on"}, 400, "Did you mean 'vae_tiling'?"),
        ({"priority": "urgent"}, 400, "one of low, normal, high"),
        ({"output_format": "mp4"}, 400, "A picture cannot be written as mp4"),
        (
            {"profile": "archive", "output_format": "mp4"},
            400,
            "which output_format = mp4 does not hold; use output_format = auto",
        ),
        ({"profile": "web", "video_codec": "prores"}, 400, "leave one of them at auto, or use profile = edit"),
        ({"video_codec": "hevc", "encoder_preset": "slwo"}, 400, "Did you mean 'slow'?"),
        ({"profile": "webb"}, 400, "profile takes one of auto, web, quality, archive, edit"),
        ({"dit_model": "seedvr9.safetensors"}, 404, "no model"),
    ],
)
def test_bad_parameters_are_refused_and_leave_nothing(
    running: Running, fields: dict[str, str], status: int, said: str
) -> None:
    answer = running.post("/api/process", files={"file": ("a.png", png())}, data=fields)
    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert list(running.service.context.uploads.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"no picture at all", "neither a picture nor a video"), (b"", "neither"), (png()[:60], "damaged")],
)
def test_files_that_do_not_decode_are_refused_and_leave_nothing(running: Running, content: bytes, said: str) -> None:
    answer = running.post("/api/process", files={"file": ("a.png", content)})
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert list(running.service.context.uploads.iterdir()) == []
    assert str(running.service.context.uploads) not in answer.text


def test_errors_are_json_for_every_route_and_method(running: Running) -> None:
    url = running.service.url
    for method, path, status in (
        ("GET", "/nowhere", 404),
        ("GET", "/api/status/deadbeef", 404),
        ("GET", "/api/queue/position/deadbeef", 404),
        ("GET", "/api/download/deadbeef", 404),
        ("POST", "/health", 405),
        ("PUT", "/api/process", 405),
        ("POST", "/api/process", 400),
        ("POST", "/api/models/switch", 400),
        ("POST", "/api/tasks/deadbeef/cancel", 404),
        ("DELETE", "/api/tasks/deadbeef", 404),
        ("GET", "/api/status/%ff%fe", 404),
    ):
        answer = running.http.request(method, url + path, timeout=10)
        assert answer.status_code == status, (method, path, answer.text)
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json()["error"].endswith((".", "?")) or "{" in answer.json()["error"]


def test_head_works_on_every_get(running: Running) -> None:
    job_id = running.submit()
    running.finished(job_id)
    for path in (
        "/health", "/api/gpu/status", "/api/models", "/api/queue/status", "/api/queue/history", "/metrics",
        f"/api/queue/position/{job_id}", f"/api/status/{job_id}", f"/api/download/{job_id}",
        "/api/events", f"/api/tasks/{job_id}/events",
    ):  # fmt: skip
        answer = running.http.head(running.service.url + path, timeout=5)
        assert answer.status_code == 200, path
        assert answer.content == b""


def test_an_unexpected_error_leaks_nothing(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError(f"secret {running.inbox}")

    monkeypatch.setattr(running.service.store, "totals", broken)
    answer = running.get("/api/queue/status")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert str(running.inbox) not in answer.text
    assert "Traceback" not in answer.text


def test_models_lists_and_switches(running: Running) -> None:
    models = running.get("/api/models").json()
    assert models["default"] == "nano.safetensors"
    assert models["current"] is None
    assert len(running.get("/api/models?all=1").json()["models"]) > len(models["models"])
    name = "seedvr2_ema_3b_fp8_e4m3fn.safetensors"
    first = running.post("/api/models/switch", json={"model": name}).json()
    assert first == {"status": "loaded", "model": name, "already_loaded": False}
    assert running.post("/api/models/switch", json={"model": name}).json()["already_loaded"] is True
    assert running.get("/api/gpu/status").json()["current_model"] == name
    assert running.post("/api/models/switch", json={"model": "x"}).status_code == 404
    assert running.post("/api/models/switch", data="{").status_code == 400
    assert running.post("/api/models/switch", json=["model"]).status_code == 400
    assert "wait" in running.post("/api/models/switch", json={"model": name, "wait": {}}).json()["error"]
    assert running.post("/api/gpu/offload").json() == {"status": "success", "message": "GPU memory released"}
    eventually(lambda: running.get("/api/gpu/status").json()["model_loaded"] is False)


def test_while_a_job_runs_offload_is_deferred_and_switch_is_refused(running: Running) -> None:
    running.executor.gate.clear()
    job_id = running.submit()
    assert running.executor.running.wait(PATIENCE_S)
    offload = running.post("/api/gpu/offload").json()
    assert offload == {"status": "success", "message": "GPU memory released", "deferred": True}
    name = "seedvr2_ema_3b_fp8_e4m3fn.safetensors"
    refused = running.post("/api/models/switch", json={"model": name})
    assert refused.status_code == 409
    assert int(refused.headers["Retry-After"]) > 0
    assert running.executor.unloads == 0
    running.executor.gate.set()
    running.finished(job_id)
    eventually(lambda: running.executor.model is None)


def test_cancel_delete_and_retry(running: Running) -> None:
    running.executor.gate.clear()
    first, second = running.submit("a.png"), running.submit("b.png")
    assert running.executor.running.wait(PATIENCE_S)
    assert running.delete(f"/api/tasks/{first}").status_code == 409
    assert running.post(f"/api/tasks/{second}/cancel").json() == {"status": "cancelled", "task_id": second}
    assert running.post(f"/api/tasks/{first}/cancel").json() == {"status": "cancelling", "task_id": first}
    assert running.finished(first)["status"] == "cancelled"
    assert running.post(f"/api/tasks/{first}/cancel").status_code == 409
    assert running.results() == []
    running.executor.gate.set()
    again = running.post(f"/api/tasks/{first}/retry").json()
    assert again["retry_of"] == first
    done = running.finished(again["task_id"])
    assert done["status"] == "completed"
    assert running.post(f"/api/tasks/{again['task_id']}/retry").status_code == 409
    assert running.delete(f"/api/tasks/{again['task_id']}").json()["status"] == "deleted"
    assert running.results() == []
    assert list(running.outputs.glob("*.json")) == []
    assert running.get(f"/api/status/{again['task_id']}").status_code == 404


def test_a_full_queue_refuses(start: Start) -> None:
    running = start(SEEDVR2_JOBS_MAX_WAITING="1")
    running.executor.gate.clear()
    running.submit()
    assert running.executor.running.wait(PATIENCE_S)
    running.submit()
    refused = running.post("/api/process", files={"file": ("a.png", png())})
    assert refused.status_code == 503
    assert list(running.service.context.uploads.glob(".*")) == []
