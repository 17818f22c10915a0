"""The `upscale` command: files and folders through the engine, one after the other."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from seedvr2.arguments import given
from seedvr2.catalogue.cli import folders_of
from seedvr2.errors import (
    Cancelled,
    DaemonGoneError,
    MachineError,
    MediaError,
    ModelNotInstalledError,
    OptionError,
    SeedVR2Error,
)
from seedvr2.options import CODING, PARAMETERS, UpscaleOptions

# Makes a target of a source; answers what is said of it, and the warnings. Raises SeedVR2Error.
Make: TypeAlias = Callable[[Path, Path], tuple[str, Sequence[str]]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sources, target, and what becomes of results that are there already."""
    parser.add_argument("sources", nargs="+", type=Path, metavar="IN", help="videos, pictures, or folders of them")
    parser.add_argument(
        "target", metavar="OUT", help="the file to write; a folder if it is one, ends in /, or there are several IN"
    )
    present = parser.add_mutually_exclusive_group()
    present.add_argument("--skip-existing", action="store_true", help="leave results alone that are there already")
    present.add_argument("--overwrite", action="store_true", help="replace them, once the new ones are whole")
    parser.add_argument(
        "--via-daemon",
        action="store_true",
        help="have the daemon at SEEDVR2D_URL (default: this machine) do it, which keeps the result in its outputs too",
    )
    parser.add_argument(
        "--preset", metavar="NAME", help="with --via-daemon: a preset of it, for all that is not said here"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(arguments: argparse.Namespace, options: UpscaleOptions) -> int:
    """Upscale. Returns 0, or 1 if a file could not be made.

    Raises:
        OptionError, ModelNotInstalledError: the request is wrong. Nothing was made.
    """
    from seedvr2.targets import Targets  # brings decoders along, which --help needs none of

    if arguments.via_daemon:
        _refuse_own(arguments)
    if arguments.preset:
        options = _with_preset(arguments, options)
    targets = Targets(options, _tell)
    jobs = targets.pairs(arguments.sources, arguments.target)
    if not jobs:
        return 1
    make = (_via_daemon if arguments.via_daemon else _engine)(arguments, options)
    failed = targets.failed
    for source, target in jobs:
        try:
            _one(make, source, target, arguments)
        except (OptionError, ModelNotInstalledError, DaemonGoneError, Cancelled):
            # The next file would fare no better.
            raise
        except SeedVR2Error as error:
            # One broken file of a folder must not keep the others from being done.
            _tell(f"{source.name}: {error}")
            failed += 1
    return 1 if failed else 0


def _one(make: Make, source: Path, target: Path, arguments: argparse.Namespace) -> None:
    """Raises SeedVR2Error."""
    if target.exists():
        # Late, as it brings torch along.
        from seedvr2.segments.folder import remove_leftovers

        remove_leftovers(target)
    if target.exists() and arguments.skip_existing:
        _tell(f"{source.name}: skipped: {target} exists already.")
        return
    if target.exists() and not arguments.overwrite:
        raise MediaError(f"{target} exists already; --skip-existing leaves it, --overwrite replaces it.")
    replace = target.exists()
    _make_folder(target.parent)
    # The name stays the same from run to run: by it a video that was interrupted finds its segments again.
    written = target.with_name(f".{target.stem}.new{target.suffix}") if replace else target
    made, warnings = make(source, written)
    if replace:
        _replace(written, target)
    for warning in warnings:
        _tell(f"{source.name}: {warning}")
    print(f"{target}  {made}")


def _engine(arguments: argparse.Namespace, options: UpscaleOptions) -> Make:
    _mention_daemon()
    # The networks take seconds to import; a wrong request should not.
    from seedvr2.console import ProgressBar
    from seedvr2.upscaler import Upscaler

    upscaler = Upscaler(
        folders_of(arguments), device=arguments.device, dtype=arguments.dtype, compile=arguments.compile
    )
    upscaler.resolve(arguments.model)

    def make(source: Path, target: Path) -> tuple[str, Sequence[str]]:
        bar = ProgressBar(source.name, quiet=arguments.quiet)
        try:
            result = upscaler.upscale(source, target, options, model=arguments.model, on_progress=bar)
        finally:
            bar.close()
        size = f"{result.width}x{result.height}"
        return f"{size}  {result.frames} frames  {result.seconds:.1f} s  {result.model}", result.warnings

    return make


def _mention_daemon() -> None:
    from seedvr2.via_daemon import daemon_address, runs_here

    address = daemon_address(os.environ)
    if runs_here(address):
        _tell(
            f"A daemon runs at {address.shown_url} and may need the same memory and GPU; "
            "with --via-daemon it does this as one of its tasks."
        )


def _refuse_own(arguments: argparse.Namespace) -> None:
    """Raises OptionError: what only the engine of this process would heed was asked for."""
    for name, default in {"device": "auto", "dtype": "auto", "compile": False, "models_dir": None}.items():
        if getattr(arguments, name) != default:
            word = name.replace("_", "-")
            raise OptionError(name, f"--{word} is the daemon's own choice; leave it out with --via-daemon.")


def _with_preset(arguments: argparse.Namespace, options: UpscaleOptions) -> UpscaleOptions:
    """The options by which results are named: what the preset says of formats counts, where nothing else is said.

    Raises:
        OptionError: there is no such preset, or no daemon is asked for. DaemonGoneError: it does not answer.
    """
    from seedvr2.via_daemon import daemon_address, preset_of

    if not arguments.via_daemon:
        raise OptionError("preset", "--preset names one of the daemon's presets; give --via-daemon with it.")
    preset = preset_of(daemon_address(os.environ), arguments.preset)
    coding = {name: value for name, value in preset.items() if name in CODING}
    try:
        return UpscaleOptions.parse({**coding, **given(arguments, PARAMETERS)})
    except OptionError:
        # Where they contradict each other, what was said here goes before all of it; so it does with the daemon.
        return options


def _via_daemon(arguments: argparse.Namespace, _options: UpscaleOptions) -> Make:
    from seedvr2.via_daemon import DaemonUpscaler, daemon_address

    fields = given(arguments, PARAMETERS)
    if arguments.model != "auto":
        fields["dit_model"] = arguments.model
    if arguments.preset:
        fields["preset"] = arguments.preset
    upscaler = DaemonUpscaler(daemon_address(os.environ), fields, quiet=arguments.quiet)

    def make(source: Path, target: Path) -> tuple[str, Sequence[str]]:
        task = upscaler.upscale(source, target)
        took = f"{task.get('process_time') or 0:.1f} s"
        return f"{task['output_resolution']}  {task['frames_done']} frames  {took}  {task['model']}", task["warnings"]

    return make


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
