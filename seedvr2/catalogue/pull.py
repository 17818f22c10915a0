"""Bringing models into the folder, and checking what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from seedvr2.catalogue.download import fetch
from seedvr2.catalogue.fetched import note_fetched
from seedvr2.catalogue.folder import find_file, find_text_embedding, find_vae
from seedvr2.catalogue.hashes import checked_sha256, remember_sha256
from seedvr2.catalogue.places import ModelsDir, home
from seedvr2.catalogue.registry import TEXT, VAE, PublishedFile, find
from seedvr2.errors import CheckpointError, DownloadError, ModelNotInstalledError

# Told the file, the stage ("fetching" or "verifying"), the bytes done and the bytes in all.
OnProgress = Callable[[PublishedFile, str, int, int], None]


def pull(
    names: Iterable[str],
    models_dir: ModelsDir,
    *,
    endpoint: str | None = None,
    on_progress: OnProgress | None = None,
) -> list[Path]:
    """Fetch models, with the VAE and the text embedding that they need, unless they are there already.

    Args:
        names: of the catalogue, or short forms such as `3b-fp8`.

    Returns:
        The file of each name, then those that came along.

    Raises:
        CheckpointError: a name is unknown.
        DownloadError: a file could not be fetched, or another one of its name is in the way.
    """
    wanted = needed(names, models_dir)
    paths = []
    for index, entry in enumerate(wanted):
        try:
            paths.append(bring(entry, models_dir, endpoint=endpoint, on_progress=on_progress))
        except DownloadError as error:
            others = [f"{other.name} ({other.url(endpoint)})" for other in wanted[index + 1 :]]
            also = f" Also needed there: {', '.join(others)}." if others else ""
            raise DownloadError(f"{error}{also}") from error
    return paths


def needed(names: Iterable[str], models_dir: ModelsDir) -> list[PublishedFile]:
    """What a pull of `names` brings: their files, and of those that every model needs what is not there yet.

    Raises:
        CheckpointError: a name is unknown.
    """
    entries = [find(name) for name in names]
    return list(dict.fromkeys([*entries, *_companions(entries, models_dir)]))


def _companions(entries: list[PublishedFile], models_dir: ModelsDir) -> list[PublishedFile]:
    if not any(entry.kind == "dit" for entry in entries):
        return []
    needed = []
    try:
        find_vae(models_dir)
    except ModelNotInstalledError:
        needed.append(find(VAE))
    if find_text_embedding(models_dir) is None:
        needed.append(find(TEXT))
    return needed


def bring(
    entry: PublishedFile,
    models_dir: ModelsDir,
    *,
    endpoint: str | None = None,
    on_progress: OnProgress | None = None,
) -> Path:
    """The published file in the folders, fetched if need be; one that is there already is checked.

    Raises:
        DownloadError: it could not be fetched, or another file of that name is there, which is left alone.
    """

    def report(stage: str, done: int, total: int) -> None:
        if on_progress:
            on_progress(entry, stage, done, total)

    present = find_text_embedding(models_dir) if entry.kind == "text" else find_file(models_dir, entry.name)
    if present is not None and present.exists():
        problem = check(entry, present, lambda done, total: report("verifying", done, total))
        if problem:
            raise DownloadError(f"{present} {problem} It was left alone; move it away to fetch the published one.")
        return present
    target = home(models_dir) / entry.name
    fetch(entry, target, endpoint=endpoint, report=report)
    if entry.sha256:
        remember_sha256(target, entry.sha256)
    if entry.kind == "text":
        target = _as_safetensors(target)
    note_fetched(target, entry.name)
    return target


def check(
    entry: PublishedFile,
    path: Path,
    report: Callable[[int, int], None] | None = None,
    *,
    fresh: bool = False,
) -> str | None:
    """What is wrong with a file that should be `entry`, as the end of a sentence; None if nothing is.

    Args:
        fresh: hash the file even if its hash is remembered.
    """
    from seedvr2.checkpoint import open_checkpoint

    try:
        if entry.kind == "text":
            return _check_embedding(path)
        if entry.bytes is not None and path.stat().st_size != entry.bytes:
            return f"has {path.stat().st_size} bytes, not the published {entry.bytes}."
        if entry.sha256 is None:
            open_checkpoint(path)
            return None
    except CheckpointError as error:
        return f"cannot be read: {error}"
    found = checked_sha256(path, report, fresh=fresh)
    return None if found == entry.sha256 else f"has the SHA-256 {found}, not the published {entry.sha256}."


# Of the bfloat16 numbers themselves, so that any container of them can be checked.
_EMBEDDING_SHA256 = "92ff754e036702f20f1782b0f5327c3d120aac6370ddc2ef0cdfdb06988f70ab"


def _check_embedding(path: Path) -> str | None:
    import hashlib

    import torch

    from seedvr2.catalogue.conditioning import read_embedding

    values = read_embedding(path).contiguous()
    found = hashlib.sha256(values.view(-1).view(torch.uint8).numpy().tobytes()).hexdigest()
    return None if found == _EMBEDDING_SHA256 else "does not hold the published text embedding."


def _as_safetensors(path: Path) -> Path:
    """The text embedding in a format that cannot carry code; the pickle goes."""
    from safetensors.torch import save_file

    from seedvr2.catalogue.conditioning import read_embedding
    from seedvr2.checkpoint.atomic import written_whole

    target = path.with_name("pos_emb.safetensors")
    with written_whole(target, overwrite=False) as part:
        save_file({"pos_emb": read_embedding(path).contiguous()}, part)
    path.unlink()
    return target
