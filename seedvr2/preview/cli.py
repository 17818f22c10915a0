"""`python -m seedvr2 preview`: what a job will look like, as files."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from seedvr2.catalogue.cli import folders_of
from seedvr2.options import UpscaleOptions
from seedvr2.preview.wish import AUTO, MOST_FRAMES, NAMES, STRENGTHS, WHOLE, Wish

# Who gives a command can wait longer than who looks at a page.
_PATIENCE_S = 20.0


def add_parser(
    commands: Any,
    add_model_arguments: Callable[[argparse.ArgumentParser], None],
    options_of: Callable[[argparse.Namespace], UpscaleOptions],
) -> None:
    """Add the command to the others; `options_of` makes the options of a job of the arguments."""
    parser = commands.add_parser(
        "preview",
        help="show what a job will look like, at several strengths, in seconds",
        epilog="A part is restored with what is around it, so its pixels are nearly, but not quite, those of the job.",
    )
    parser.add_argument("source", type=Path, metavar="IN", help="a video or a picture")
    parser.add_argument(
        "folder", type=Path, nargs="?", metavar="OUT_DIR", help="where the images go (default: NAME.preview here)"
    )
    parser.add_argument("--at", metavar="SECONDS", help="the time in a video (default: somewhere in the middle)")
    parser.add_argument(
        "--crop",
        metavar="X,Y,W,H",
        help=f"a part, in pixels of the source; {AUTO} (default): the most detailed one, if the whole would take "
        f"too long; {WHOLE}: all of it, however long that takes",
    )
    shown = ",".join(f"{strength:g}" for strength in STRENGTHS)
    parser.add_argument(
        "--strengths", metavar="LIST", help=f"strengths to show beside the plain resize (default {shown})"
    )
    parser.add_argument("--frames", metavar="N", help=f"neighbouring frames to show (1 to {MOST_FRAMES}; default 1)")
    parser.add_argument(
        "--patience", metavar="SECONDS", help=f"how long the restoration may take about (default {_PATIENCE_S:g})"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_model_arguments(parser)
    parser.set_defaults(run=lambda arguments: _preview(arguments, options_of(arguments)))


def _preview(arguments: argparse.Namespace, options: UpscaleOptions) -> int:
    given = {name: getattr(arguments, name) for name in NAMES}
    wish = Wish.parse({"patience": _PATIENCE_S, **{name: value for name, value in given.items() if value is not None}})
    if wish.crop != AUTO and given["patience"] is None:
        # Who says what to show gets that.
        wish = replace(wish, patience=None)
    # The networks take seconds to import; a wrong request should not.
    from seedvr2.media.failures import writing
    from seedvr2.preview.files import SHEET, describe, write_preview
    from seedvr2.upscaler import Upscaler

    source: Path = arguments.source
    upscaler = Upscaler(folders_of(arguments), device=arguments.device, dtype=arguments.dtype)
    preview = upscaler.preview(source, options, wish, model=arguments.model)
    folder: Path = arguments.folder or Path(f"{source.stem}.preview")
    prefix = f"{source.stem}.preview-"
    with writing(folder.name):
        folder.mkdir(parents=True, exist_ok=True)
    names = write_preview(preview, folder, prefix)
    if arguments.json:
        paths = [str(folder / name) for name in names]
        found = describe(preview, paths, str(folder / (prefix + SHEET)))
        print(json.dumps({"source": str(source), **found}, indent=2))
        return 0
    for warning in preview.warnings:
        print(f"{source.name}: {warning}", file=sys.stderr)
    print("\n".join(str(folder / name) for name in (*names, prefix + SHEET)))
    return 0
