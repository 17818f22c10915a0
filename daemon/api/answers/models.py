"""Answers about models: which there are, loading, fetching and removing one."""

from __future__ import annotations

from typing import Literal

from daemon.api.shapes import Answer, Percent, Whole, about, at_times


class Model(Answer):
    """A model of the catalogue, or one of the user's own."""

    name: str
    params: str = about("How many parameters.", examples=["3B"])
    precision: str = about("Of its weights.", examples=["FP8"])
    size: str = about("Of its file.", examples=["3.2GB"])
    vram: str = about("Memory that it needs.", examples=["~8GB"])
    variant: str = about("Empty for the usual one.", examples=["", "Sharp"])
    desc: dict[str, str] = about("By language.")
    available: bool = about("Whether it is on this machine.")
    downloadable: bool
    sha256_ok: bool | None = about("null until it was checked.")
    bytes: Whole | None = about("null where none is published.")
    own: bool = at_times("true: a file that is not in the catalogue.")
    error: str = at_times("Why the file cannot be used.")
    fetched: bool = at_times("true: it was fetched by this program, so DELETE removes it.")


class Pull(Answer):
    """A download of a model."""

    model: str
    machine: str | None = about("Of the cluster, where it goes to; null: this one.")
    state: Literal["waiting", "fetching", "verifying", "done", "failed", "cancelled"]
    file: str | None = about("The one of its files that is on its way.")
    done_bytes: Whole
    total_bytes: Whole | None
    percent: Percent = about("Of this file.")
    error: str | None


class Models(Answer):
    """The models, the default one and what is loaded."""

    models: list[Model]
    default: str
    current: str | None
    loading: bool
    loading_model: str | None
    pulls: list[Pull]
    free_bytes: Whole | None = about("Free on the disk that models are fetched to.")
    suggested: str | None = about(
        "A model to fetch for the memory of this machine, where only the embedded one is here."
    )


class Pulls(Answer):
    """The downloads on their way, and the last ones."""

    pulls: list[Pull]


class PullAnswer(Answer):
    """A download has begun, or is not needed."""

    status: Literal["pulling", "installed"]
    model: str = about("The file that the name means.")
    pull: Pull | None


class PullCancelled(Answer):
    """A download was given up."""

    status: Literal["cancelled"]
    model: str


class ModelRemoved(Answer):
    """The file of a model was deleted."""

    status: Literal["removed"]
    model: str
    bytes: Whole


class Switched(Answer):
    """A model is loaded."""

    status: Literal["loaded"]
    model: str
    already_loaded: bool
