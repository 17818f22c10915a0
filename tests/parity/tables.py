"""Parity of facts: the catalogue's hashes and repositories, and the text embeddings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from safetensors import safe_open

from seedvr2.catalogue.registry import CATALOGUE
from tests.parity.report import Check, Fixture, same


def registry_cases(fixture: Fixture) -> Iterator[Check]:
    known = {entry.name: entry for entry in CATALOGUE}
    for model in fixture.data["models"]:
        entry = known.get(model["file"])
        name = f"{fixture.name} {model['file']}"
        yield same(f"{name} is in the catalogue", entry is not None, True)
        if entry is not None:
            yield same(f"{name} facts", (entry.repo, entry.sha256), (model["repo"], model["sha256"]))


def embeddings_cases(fixture: Fixture) -> Iterator[Check]:
    """The catalogue expects the embedding of that hash; the embeddings, where a set carries them, are whole."""
    wanted = fixture.data["pos_emb"]["sha256_of_original_pt"]
    entry = next((entry for entry in CATALOGUE if entry.name == "pos_emb.pt"), None)
    yield same(f"{fixture.name} hash in the catalogue", entry and entry.sha256, wanted)
    for key in ("pos_emb", "neg_emb"):
        facts = fixture.data[key]
        path = fixture.resolve(f"{key}.safetensors")
        if not path.exists():
            continue
        with safe_open(path, "pt") as file:
            tensor = file.get_tensor(facts["safetensors_key"])
        digest = hashlib.sha256(tensor.view(dtype=__import__("torch").int16).numpy().tobytes()).hexdigest()
        yield same(
            f"{fixture.name} {key}", (list(tensor.shape), digest), (facts["shape"], facts["sha256_of_raw_bf16_data"])
        )
