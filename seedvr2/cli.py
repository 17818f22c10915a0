"""The command line: `seedvr2 upscale | plan | models | convert`, or `python -m seedvr2 …`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from seedvr2 import __version__
from seedvr2.catalogue.cli import add_folder_argument, folders_of
from seedvr2.errors import Cancelled, OptionError, SeedVR2Error
from seedvr2.options import PARAMETERS, Parameter, UpscaleOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0, 1 for a failed job, 2 for a wrong request, 130 when stopped."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        return status
    except OptionError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    except SeedVR2Error as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    from seedvr2.catalogue.cli import add_parser as add_models
    from seedvr2.checkpoint.cli import add_parser as add_convert

    parser = argparse.ArgumentParser(prog="seedvr2", description="Upscale and restore videos and pictures.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    upscale = commands.add_parser(
        "upscale",
        help="upscale a video, a picture, or a folder of them",
        epilog="A video that was interrupted goes on where it was when the same command is given again: its finished "
        "parts wait in a hidden folder beside OUT, .OUT.segments, which goes when the result is there.",
    )
    upscale.add_argument("source", type=Path, metavar="IN", help="a video, a picture or a folder")
    upscale.add_argument("target", type=Path, metavar="OUT", help="the file to write, or a folder")
    _add_model_arguments(upscale)
    upscale.add_argument(
        "--compile", action="store_true", help="compile parts of the transformer, where a compiler is installed"
    )
    upscale.add_argument("--quiet", action="store_true", help="no progress bar")
    upscale.set_defaults(run=_upscale)

    plan = commands.add_parser("plan", help="show size, memory and time of a job without running it")
    plan.add_argument("sources", nargs="+", type=Path, metavar="IN")
    _add_model_arguments(plan)
    plan.add_argument("--json", action="store_true", help="print JSON")
    plan.add_argument("--explain", action="store_true", help="say why each choice was made")
    plan.set_defaults(run=_plan)

    add_models(commands)
    add_convert(commands)
    return parser


def _add_model_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="auto", help="a model's file name, nano, or auto (default)")
    add_folder_argument(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1…")
    parser.add_argument("--dtype", default="auto", help="auto, float32, bfloat16, float16")
    for parameter in PARAMETERS:
        _add_parameter(parser, parameter)


def _add_parameter(parser: argparse.ArgumentParser, parameter: Parameter) -> None:
    flag = "--" + parameter.name.replace("_", "-")
    text = f"{parameter.meaning} ({parameter.takes()}; default {str(parameter.default).lower()})".replace("%", "%%")
    if parameter.kind is bool:
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
    else:
        parser.add_argument(flag, default=None, metavar="VALUE", help=text)


def _options(arguments: argparse.Namespace) -> UpscaleOptions:
    given = {p.name: getattr(arguments, p.name) for p in PARAMETERS}
    return UpscaleOptions.parse({name: value for name, value in given.items() if value is not None})


def _upscale(arguments: argparse.Namespace) -> int:
    options = _options(arguments)
    jobs = list(_jobs(arguments.source, arguments.target, options))
    # The networks take seconds to import; a wrong request should not.
    from seedvr2.console import ProgressBar
    from seedvr2.upscaler import Upscaler

    upscaler = Upscaler(
        folders_of(arguments), device=arguments.device, dtype=arguments.dtype, compile=arguments.compile
    )
    failed = 0
    for source, target in jobs:
        target.parent.mkdir(parents=True, exist_ok=True)
        bar = ProgressBar(source.name, quiet=arguments.quiet)
        try:
            result = upscaler.upscale(source, target, options, model=arguments.model, on_progress=bar)
        except (OptionError, Cancelled):
            raise
        except SeedVR2Error as error:
            bar.close()
            # One broken file of a folder must not keep the others from being done.
            print(f"{source.name}: {error}", file=sys.stderr)
            failed += 1
            continue
        bar.close()
        for warning in result.warnings:
            print(f"{source.name}: {warning}", file=sys.stderr)
        print(f"{result.path}  {result.width}x{result.height}  {result.frames} frames  "
              f"{result.seconds:.1f} s  {result.model}")  # fmt: skip
    return 1 if failed else 0


def _jobs(source: Path, target: Path, options: UpscaleOptions) -> Iterator[tuple[Path, Path]]:
    """Pairs of source and target; a folder's files keep their names, with the suffix of the result."""
    from seedvr2.errors import MediaError
    from seedvr2.media import output_suffix, probe

    if not source.exists():
        raise OptionError("source", f"There is no file or folder {source}.")
    if source.is_file():
        if target.is_dir():
            target = target / (source.stem + output_suffix(probe(source), options))
        yield source, target
        return
    found = False
    for path in sorted(source.rglob("*")):
        if not path.is_file() or path.name.startswith(".") or path.is_relative_to(target):
            continue
        try:
            suffix = output_suffix(probe(path), options)
        except MediaError as error:
            print(f"{path.name}: skipped: {error}", file=sys.stderr)
            continue
        found = True
        yield path, target / path.relative_to(source).with_suffix(suffix)
    if not found:
        raise OptionError("source", f"There is no picture or video in {source}.")


def _plan(arguments: argparse.Namespace) -> int:
    from seedvr2.console import describe_plan
    from seedvr2.upscaler import Upscaler

    options = _options(arguments)
    upscaler = Upscaler(folders_of(arguments), device=arguments.device, dtype=arguments.dtype)
    plans = [(source, upscaler.plan(source, options, model=arguments.model)) for source in arguments.sources]
    if arguments.json:
        print(json.dumps([{"source": str(source), **plan.as_dict()} for source, plan in plans], indent=2))
    else:
        print("\n\n".join(describe_plan(source, plan, explain=arguments.explain) for source, plan in plans))
    return 0
