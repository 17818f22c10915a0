"""Models: which there are, loading and fetching them."""

from __future__ import annotations

from daemon.api.answers.models import ModelRemoved, Models, PullAnswer, PullCancelled, Pulls, Switched
from daemon.api.asked import CancelPullQuery, ModelsQuery, RemoveQuery
from daemon.api.described.examples import MODEL, NO_MODEL
from daemon.api.described.operation import Operation, Table

PULL = {
    "model": "seedvr2_ema_7b-Q4_K_M.gguf", "machine": None, "state": "fetching",
    "file": "seedvr2_ema_7b-Q4_K_M.gguf", "done_bytes": 1200000000, "total_bytes": 4800000000, "percent": 25,
    "error": None,
}  # fmt: skip

OPERATIONS: Table = {
    ("GET", "/api/models"): Operation(
        "Models", "list_models", Models,
        {"one": {
            "models": [{
                "name": MODEL, "params": "3B", "precision": "FP8", "size": "3.2GB", "vram": "~8GB", "variant": "",
                "desc": {"en": "3B params FP8 - Balanced quality & speed"}, "available": True,
                "downloadable": False, "sha256_ok": True, "bytes": 3391544696, "fetched": True,
            }],
            "default": MODEL, "current": MODEL, "loading": False, "loading_model": None, "pulls": [PULL],
            "free_bytes": 512000000000, "suggested": None,
        }},
        query=ModelsQuery,
    ),
    ("POST", "/api/models/switch"): Operation(
        "Models", "switch_model", Switched,
        {"loaded": {"status": "loaded", "model": MODEL, "already_loaded": False}},
        {
            400: 'Say which model: {"model": "name"}.',
            404: NO_MODEL,
            409: 'A task is running; the model cannot be switched now. Send "wait": true to wait for it.',
        },
        body="SwitchRequest", passing=(409, 503),
    ),
    ("POST", "/api/models/pull"): Operation(
        "Models", "pull_model", PullAnswer,
        {
            "pulling": {"status": "pulling", "model": PULL["model"], "pull": PULL},
            "installed": {"status": "installed", "model": MODEL, "pull": None},
        },
        {
            400: 'Say which model: {"model": "name"}.',
            404: "The catalogue has no model 'seedvr9'. Did you mean seedvr2_ema_3b_fp8_e4m3fn.safetensors?",
            507: "seedvr2_ema_7b_fp16.safetensors needs 16.5 GB, but the disk of the models has 9.1 GB free; make "
            "room, or choose a smaller model.",
        },
        body="PullRequest",
        about="Answers at once; GET /api/models/pull and the `model` events of GET /api/events tell how far it is. "
        "What a model needs comes along. A download that broke goes on where it was. Whether another machine has "
        "room is looked for there: the download fails then, and says how much is missing.",
    ),
    ("GET", "/api/models/pull"): Operation("Models", "list_pulls", Pulls, {"one": {"pulls": [PULL]}}),
    ("POST", "/api/models/pull/<model>/cancel"): Operation(
        "Models", "cancel_pull", PullCancelled, {"cancelled": {"status": "cancelled", "model": PULL["model"]}},
        {
            400: "The cluster is off, so only this machine can fetch models; leave `machine` out, or set "
            "[cluster] mode.",
            404: f"{PULL['model']} is not being fetched.",
        },
        query=CancelPullQuery,
    ),
    ("DELETE", "/api/models/<model>"): Operation(
        "Models", "remove_model", ModelRemoved,
        {"removed": {"status": "removed", "model": MODEL, "bytes": 3391544696}},
        {
            403: f"models/{MODEL} was not fetched by this program, so it is left alone unless you force it.",
            404: f"There is no {MODEL} to be removed.",
            409: f"{MODEL} is in memory; release it first (POST /api/gpu/offload).",
        },
        query=RemoveQuery,
    ),
}  # fmt: skip
