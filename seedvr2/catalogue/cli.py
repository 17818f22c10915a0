"""`python -m seedvr2 models list | pull NAME… | verify [NAME…]`"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

from seedvr2.catalogue.folder import InstalledModel, default_models_dir, find_text_embedding, installed_models
from seedvr2.catalogue.progress_line import ProgressLine
from seedvr2.catalogue.registry import CATALOGUE, PublishedFile, find


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands; their `run` default takes the parsed arguments and returns the exit code."""
    models = subparsers.add_parser("models", help="list, fetch and verify models")
    commands = models.add_subparsers(metavar="COMMAND", required=True)
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument(
        "--models-dir",
        type=Path,
        default=default_models_dir(),
        metavar="FOLDER",
        help="where models are kept (default: SEEDVR2_PATHS_MODELS, or %(default)s)",
    )
    listing = commands.add_parser("list", parents=[folder], help="all models, and which are on this machine")
    listing.add_argument("--json", action="store_true", help="for programs")
    listing.set_defaults(run=_list)
    pulling = commands.add_parser("pull", parents=[folder], help="fetch models, and what they need")
    pulling.add_argument("names", nargs="+", metavar="NAME", help="a file name of the list, or short: 3b-fp8")
    pulling.set_defaults(run=_pull)
    verifying = commands.add_parser("verify", parents=[folder], help="compare files with their published hashes")
    verifying.add_argument("names", nargs="*", metavar="NAME", help="default: every catalogue file in the folder")
    verifying.set_defaults(run=_verify)


def _list(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.models_dir
    installed = {model.name: model for model in installed_models(folder)}
    if arguments.json:
        print(json.dumps(_rows_for_programs(folder, installed), indent=1, ensure_ascii=False))
        return 0
    rows = [("", "MODEL", "PARAMS", "PRECISION", "SIZE", "VRAM", "")]
    for entry in CATALOGUE:
        here = "●" if _path(entry, folder) else ""
        params = f"{entry.params} {entry.variant}".strip()
        rows.append((here, entry.name, params, entry.precision, entry.size, entry.vram, entry.desc["en"]))
    for model in installed.values():
        if model.entry is None:
            size = f"{model.bytes / 2**30:.1f}GB" if model.bytes >= 2**30 else f"{model.bytes / 2**20:.0f}MB"
            rows.append(("●", model.name, model.params, model.precision, size, "", "your own file"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    print(f"\n● in {folder.absolute()}")
    return 0


def _rows_for_programs(folder: Path, installed: dict[str, InstalledModel]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for entry in CATALOGUE:
        path = _path(entry, folder)
        model = installed.get(entry.name)
        rows.append(
            entry.as_dict()
            | {"kind": entry.kind, "url": entry.url(), "sha256": entry.sha256, "installed": path is not None}
            | {"path": str(path) if path else None, "sha256_ok": model.sha256_ok if model else None}
        )
    for model in installed.values():
        if model.entry is None:
            rows.append(
                {"name": model.name, "params": model.params, "precision": model.precision, "kind": "dit"}
                | {"installed": True, "path": str(model.path), "sha256_ok": None}
            )
    return rows


def _path(entry: PublishedFile, folder: Path) -> Path | None:
    path = find_text_embedding(folder) if entry.kind == "text" else folder / entry.name
    return path if path and path.is_file() else None


def _pull(arguments: argparse.Namespace) -> int:
    from seedvr2.catalogue.pull import pull  # brings an HTTP client along

    line = ProgressLine()
    for path in pull(arguments.names, arguments.models_dir, on_progress=line.show):
        line.end()
        print(path)
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from seedvr2.catalogue.pull import check

    folder: Path = arguments.models_dir
    entries = [find(name) for name in arguments.names] or [entry for entry in CATALOGUE if _path(entry, folder)]
    if not entries:
        print(f"There is no catalogue file in {folder.absolute()}.")
    bad = 0
    line = ProgressLine()
    for entry in entries:
        path = _path(entry, folder)
        show = partial(line.show, entry, "verifying")
        problem = check(entry, path, show, fresh=True) if path else f"is not in {folder.absolute()}."
        line.end()
        bad += problem is not None
        unknown = "" if entry.sha256 else " (it can be read; no hash is published)"
        print(f"{entry.name} {problem}" if problem else f"{entry.name} is as published{unknown}.")
    return 1 if bad else 0
