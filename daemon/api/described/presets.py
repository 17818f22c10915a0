"""Presets: parameters that have a name."""

from __future__ import annotations

from daemon.api.answers.presets import Preset, PresetChanged, Presets
from daemon.api.described.operation import Operation, Table

PRESET = {"name": "film", "parameters": {"resolution": 2160, "batch_size": 21}, "saved": True}

OPERATIONS: Table = {
    ("GET", "/api/presets"): Operation(
        "Tasks", "list_presets", Presets, {"one": {"presets": [PRESET]}},
        about="Those of the configuration, and those that were saved. A form, a sidecar, a folder of the inbox and an "
        "assistant can name one.",
    ),
    ("GET", "/api/presets/<preset>"): Operation(
        "Tasks", "get_preset", Preset, {"film": PRESET}, {404: "There is no preset 'flim'. Did you mean 'film'?"}
    ),
    ("PUT", "/api/presets/<preset>"): Operation(
        "Tasks", "save_preset", PresetChanged, {"saved": {"status": "saved", "presets": [PRESET]}},
        {
            400: "resolution takes a whole number from 16 to 16384, not '12'.",
            409: "The preset 'film' is in the configuration file; change it there.",
        },
        body="PresetRequest",
    ),
    ("DELETE", "/api/presets/<preset>"): Operation(
        "Tasks", "delete_preset", PresetChanged, {"deleted": {"status": "deleted", "presets": []}},
        {
            404: "There is no preset 'flim'. Did you mean 'film'?",
            409: "The preset 'film' is in the configuration file; change it there.",
        },
    ),
}  # fmt: skip
