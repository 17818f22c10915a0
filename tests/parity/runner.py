"""Finds out what each file of a fixture set is about, and runs its cases."""

from __future__ import annotations

import hashlib
import json
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.parity import networks, pipeline, tables
from tests.parity.report import Check, Fixture, same

Runner = Callable[[Fixture], Iterator[Check]]


def run(root: Path) -> Iterator[Check]:
    """Every check of the set in `root`."""
    index = json.loads((root / "INDEX.json").read_text())
    used: set[Path] = set()
    for entry in index["files"]:
        path = root / entry["path"]
        if path.suffix == ".json" and path.exists():
            continue  # a text may be laid out anew without saying anything else
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "missing"
        if digest != entry["sha256"]:
            yield same(f"{entry['path']} is whole", digest, entry["sha256"])
    for entry in index["files"]:
        if entry["path"].endswith(".json"):
            fixture = Fixture(root, root / entry["path"], json.loads((root / entry["path"]).read_text()))
            yield from _run_fixture(fixture)
            used |= fixture.used | {fixture.path.resolve()}
    for entry in index["files"]:
        if (root / entry["path"]).resolve() not in used:
            yield same(f"{entry['path']} is read by a case", "not read", "read")


def _run_fixture(fixture: Fixture) -> Iterator[Check]:
    runner = classify(fixture.data)
    if runner is None:
        yield same(f"{fixture.name} is understood", "no", "yes")
        return
    try:
        count = 0
        for check in runner(fixture):
            count += 1
            yield check
        yield same(f"{fixture.name} checked something", count > 0, True)
    except Exception as error:  # a case that breaks is a failed case, and the others still run
        traceback.print_exc()
        yield same(f"{fixture.name} runs", f"{type(error).__name__}: {error}", "no error")


def classify(data: dict) -> Runner | None:
    """What a JSON file is about, by what it holds."""
    tensors = data.get("tensors", {})
    rows = data.get("rows") or data.get("cases") or [{}]
    first = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
    recognised: list[tuple[bool, Runner]] = [
        ("pos_emb" in data, tables.embeddings_cases),
        ("models" in data, tables.registry_cases),
        ("tensor_count" in data, networks.manifest_cases),
        ("files" in data and "architecture" in data, networks.quant_cases),
        ("dit_weights" in data, pipeline.e2e_cases),
        ("op" in data and "weights" in data, networks.vae_cases),
        ("latent_thw" in data and "weights" in data, networks.dit_cases),
        ("weight_seed" in data and "file" in data and "weights" not in data, networks.weights_cases),
        ("timestep_transform" in data, pipeline.sampler_cases),
        ("w_prev" in data, pipeline.blend_cases),
        ("real_head_dim" in data, pipeline.rope_cases),
        ("content" in tensors and "style" in tensors, pipeline.color_cases),
        ("first_resize_wh" in first, pipeline.sizes_cases),
        ("batches" in first, pipeline.batching_cases),
        ("token_size_thw" in first, pipeline.windows_cases),
        ("in_thwc" in first, pipeline.preprocess_cases),
        ("kind" in first, pipeline.alpha_cases),
    ]
    return next((runner for matches, runner in recognised if matches), None)
