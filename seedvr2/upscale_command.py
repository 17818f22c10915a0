"""The `upscale` command: files and folders through the engine, one after the other."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from seedvr2.errors import Cancelled, MachineError, MediaError, OptionError, SeedVR2Error
from seedvr2.options import UpscaleOptions

if TYPE_CHECKING:
    from seedvr2.upscaler import Upscaler


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sources, target, and what becomes of results that are there already."""
    parser.add_argument("sources", nargs="+", type=Path, metavar="IN", help="videos, pictures, or folders of them")
    parser.add_argument(
        "target", metavar="OUT", help="the file to write; a folder if it is one, ends in /, or there are several IN"
    )
    present = parser.add_mutually_exclusive_group()
    present.add_argument("--skip-existing", action="store_true", help="leave results alone that are there already")
    present.add_argument("--overwrite", action="store_true", help="replace them, once the new ones are whole")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(arguments: argparse.Namespace, options: UpscaleOptions) -> int:
    """Upscale. Returns 0, or 1 if a file could not be made.

    Raises:
        OptionError, ModelNotInstalledError: the request is wrong. Nothing was made.
    """
    from seedvr2.targets import Targets  # brings decoders along, which --help needs none of

    targets = Targets(options, _tell)
    jobs = targets.pairs(arguments.sources, arguments.target)
    # The networks take seconds to import; a wrong request should not.
    from seedvr2.upscaler import Upscaler

    upscaler = Upscaler(arguments.models_dir, device=arguments.device, dtype=arguments.dtype, compile=arguments.compile)
    upscaler.resolve(arguments.model)
    failed = targets.failed
    for source, target in jobs:
        try:
            _one(upscaler, source, target, arguments, options)
        except (OptionError, Cancelled):
            raise
        except SeedVR2Error as error:
            # One broken file of a folder must not keep the others from being done.
            _tell(f"{source.name}: {error}")
            failed += 1
    return 1 if failed else 0


def _one(
    upscaler: Upscaler, source: Path, target: Path, arguments: argparse.Namespace, options: UpscaleOptions
) -> None:
    """Raises SeedVR2Error."""
    from seedvr2.console import ProgressBar

    if target.exists() and arguments.skip_existing:
        _tell(f"{source.name}: skipped: {target} exists already.")
        return
    if target.exists() and not arguments.overwrite:
        raise MediaError(f"{target} exists already; --skip-existing leaves it, --overwrite replaces it.")
    replace = target.exists()
    _make_folder(target.parent)
    # The name stays the same from run to run: by it a video that was interrupted finds its segments again.
    written = target.with_name(f".{target.stem}.new{target.suffix}") if replace else target
    bar = ProgressBar(source.name, quiet=arguments.quiet)
    try:
        result = upscaler.upscale(source, written, options, model=arguments.model, on_progress=bar)
    finally:
        bar.close()
    if replace:
        _replace(written, target)
    for warning in result.warnings:
        _tell(f"{source.name}: {warning}")
    print(f"{target}  {result.width}x{result.height}  {result.frames} frames  "
          f"{result.seconds:.1f} s  {result.model}")  # fmt: skip


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "a file is called so" if isinstance(error, (FileExistsError, NotADirectoryError)) else error.strerror
        raise MachineError(f"The folder {folder} cannot be made ({reason}); name another.", error.errno or 0) from error


def _replace(written: Path, target: Path) -> None:
    try:
        written.replace(target)
    except OSError as error:
        text = f"{target} cannot be replaced ({error.strerror}); the new result is {written}."
        raise MachineError(text, error.errno or 0) from error


def _tell(text: str) -> None:
    print(text, file=sys.stderr)
