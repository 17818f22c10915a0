"""`seedvr2 models list | pull NAME… | rm NAME… | verify [NAME…]`"""

from __future__ import annotations

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path

from seedvr2.catalogue.folder import InstalledModel, find_file, find_text_embedding, installed_models
from seedvr2.catalogue.places import ModelsDir, home, look
from seedvr2.catalogue.progress_line import ProgressLine
from seedvr2.catalogue.registry import CATALOGUE, PublishedFile, find
from seedvr2.config_file import models_folders
from seedvr2.errors import SeedVR2Error
from seedvr2.units import gigabytes


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands; their `run` default takes the parsed arguments and returns the exit code."""
    models = subparsers.add_parser("models", help="list, fetch, remove and verify models")
    commands = models.add_subparsers(metavar="COMMAND", required=True)
    folder = argparse.ArgumentParser(add_help=False)
    add_folder_argument(folder)
    listing = commands.add_parser("list", parents=[folder], help="all models, and which are on this machine")
    listing.add_argument("--json", action="store_true", help="for programs")
    listing.set_defaults(run=_list)
    pulling = commands.add_parser(
        "pull", aliases=["download"], parents=[folder], help="fetch models, and what they need"
    )
    pulling.add_argument("names", nargs="+", metavar="NAME", help="a file name of the list, or short: 3b, 7b-sharp-q4")
    pulling.set_defaults(run=_pull)
    removing = commands.add_parser("rm", parents=[folder], help="delete models that were fetched")
    removing.add_argument("names", nargs="+", metavar="NAME", help="a file name of the list, or short: 3b-q4")
    removing.add_argument("--force", action="store_true", help="also what was not fetched by this program")
    removing.set_defaults(run=_remove)
    verifying = commands.add_parser("verify", parents=[folder], help="compare files with their published hashes")
    verifying.add_argument("names", nargs="*", metavar="NAME", help="default: every catalogue file in the folders")
    verifying.set_defaults(run=_verify)


def add_folder_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--models-dir`, which `folders_of` reads."""
    parser.add_argument(
        "--models-dir",
        type=Path,
        action="append",
        metavar="FOLDER",
        help="where models are kept, several times for several (default: the service's folders, from "
        "SEEDVR2_PATHS_MODELS or config.toml, else models)",
    )


def folders_of(arguments: argparse.Namespace) -> ModelsDir:
    """The folders that the command is to use.

    Raises:
        OptionError: none is named, and the configuration file cannot be read.
    """
    named: list[Path] | None = arguments.models_dir
    return tuple(named) if named else models_folders(os.environ)


def _list(arguments: argparse.Namespace) -> int:
    folders = folders_of(arguments)
    installed = {model.name: model for model in installed_models(folders)}
    if arguments.json:
        print(json.dumps(_rows_for_programs(folders, installed), indent=1, ensure_ascii=False))
        return 0
    rows = [("", "MODEL", "PARAMS", "PRECISION", "SIZE", "VRAM", "")]
    for entry in CATALOGUE:
        here = "●" if _path(entry, folders) else ""
        params = f"{entry.params} {entry.variant}".strip()
        rows.append((here, entry.name, params, entry.precision, entry.size, entry.vram, entry.desc["en"]))
    for model in installed.values():
        if model.entry is None:
            rows.append(("●", model.name, model.params, model.precision, model.size, "", "your own file"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    print(f"\n● in {_named(folders)}")
    _tell_problems(folders)
    return 0


def _rows_for_programs(folders: ModelsDir, installed: dict[str, InstalledModel]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for entry in CATALOGUE:
        path = _path(entry, folders)
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


def _path(entry: PublishedFile, folders: ModelsDir) -> Path | None:
    return find_text_embedding(folders) if entry.kind == "text" else find_file(folders, entry.name)


def _pull(arguments: argparse.Namespace) -> int:
    from seedvr2.catalogue.pull import pull  # brings an HTTP client along

    line = ProgressLine()
    for path in pull(arguments.names, folders_of(arguments), on_progress=line.show):
        line.end()
        print(path)
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    from seedvr2.catalogue.remove import removable, remove
    from seedvr2.via_daemon import daemon_address, removed_by_daemon, runs_here

    folders, address = folders_of(arguments), daemon_address(os.environ)
    runs = runs_here(address)
    failed = 0
    for name in arguments.names:
        try:
            path = removable(name, folders)
            # The daemon knows whether it has the file in its memory, or a task waits for it.
            size = removed_by_daemon(address, path, force=arguments.force) if runs else None
            size = remove(path, folders, force=arguments.force) if size is None else size
            print(f"{path} removed, {gigabytes(size)}")
        except SeedVR2Error as error:
            print(error, file=sys.stderr)
            failed += 1
    return 1 if failed else 0


def _verify(arguments: argparse.Namespace) -> int:
    from seedvr2.catalogue.pull import check

    folders = folders_of(arguments)
    entries = [find(name) for name in arguments.names] or [entry for entry in CATALOGUE if _path(entry, folders)]
    if not entries:
        print(f"There is no catalogue file in {_named(folders)}.")
    bad = 0
    line = ProgressLine()
    for entry in entries:
        path = _path(entry, folders)
        show = partial(line.show, entry, "verifying")
        problem = check(entry, path, show, fresh=True) if path else f"is not in {home(folders).absolute()}."
        line.end()
        bad += problem is not None
        unknown = "" if entry.sha256 else " (it can be read; no hash is published)"
        print(f"{entry.name} {problem}" if problem else f"{entry.name} is as published{unknown}.")
    return 1 if bad else 0


def _named(folders: ModelsDir) -> str:
    return ", ".join(str(folder.absolute()) for folder in ((folders,) if isinstance(folders, Path) else folders))


def _tell_problems(folders: ModelsDir) -> None:
    for problem in look(folders).problems:
        print(problem, file=sys.stderr)
