"""The command line: `seedvr2 upscale | preview | plan | segment | join | models | convert`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from seedvr2 import __version__
from seedvr2.arguments import add_parameters, given
from seedvr2.catalogue.cli import add_folder_argument, folders_of
from seedvr2.errors import ModelNotInstalledError, OptionError, SeedVR2Error
from seedvr2.options import PARAMETERS, UpscaleOptions
from seedvr2.terminal import with_hyphens, written
from seedvr2.upscale_command import add_arguments as add_upscale_arguments
from seedvr2.upscale_command import run as run_upscale


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status.

    0: done. 1: a file, or the machine, did not allow it. 2: the request is wrong. 130: stopped. 141: nobody reads on.
    """
    parser = _parser()
    return written(lambda: _run(parser, sys.argv[1:] if argv is None else argv), parser.prog)


def _run(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    arguments = parser.parse_args(with_hyphens(argv))
    try:
        status: int = arguments.run(arguments)
        return status
    except (OptionError, ModelNotInstalledError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    except SeedVR2Error as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    from seedvr2.catalogue.cli import add_parser as add_models
    from seedvr2.checkpoint.cli import add_parser as add_convert
    from seedvr2.farm.cli import add_parsers as add_farm
    from seedvr2.preview.cli import add_parser as add_preview

    parser = argparse.ArgumentParser(prog="seedvr2", description="Upscale and restore videos and pictures.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    upscale = commands.add_parser(
        "upscale",
        help="upscale a video, a picture, or a folder of them",
        epilog="A video that was interrupted goes on where it was when the same command is given again: its finished "
        "parts wait in a hidden folder beside OUT, .OUT.segments, which goes when the result is there.",
    )
    add_upscale_arguments(upscale)
    _add_model_arguments(upscale)
    upscale.add_argument(
        "--compile", action="store_true", help="compile parts of the transformer, where a compiler is installed"
    )
    upscale.set_defaults(run=_upscale)

    add_preview(commands, _add_model_arguments, _options)

    plan = commands.add_parser("plan", help="show size, memory and time of a job without running it")
    plan.add_argument("sources", nargs="+", type=Path, metavar="IN")
    _add_model_arguments(plan)
    plan.add_argument(
        "--json",
        action="store_true",
        help="print JSON: these figures, and the plan that `segment` and `join` follow, for which a video is decoded",
    )
    plan.add_argument("--explain", action="store_true", help="say why each choice was made")
    plan.set_defaults(run=_plan)

    add_farm(commands)
    add_models(commands)
    add_convert(commands)
    return parser


def _add_model_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="auto", help="a model's file name, nano, or auto (default)")
    add_folder_argument(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1…")
    parser.add_argument("--dtype", default="auto", help="auto, float32, bfloat16, float16")
    add_parameters(parser, PARAMETERS)


def _options(arguments: argparse.Namespace) -> UpscaleOptions:
    return UpscaleOptions.parse(given(arguments, PARAMETERS))


def _upscale(arguments: argparse.Namespace) -> int:
    return run_upscale(arguments, _options(arguments))


def _plan(arguments: argparse.Namespace) -> int:
    from seedvr2.console import describe_plan
    from seedvr2.upscaler import Upscaler

    options = _options(arguments)
    upscaler = Upscaler(folders_of(arguments), device=arguments.device, dtype=arguments.dtype)
    plans = [(source, upscaler.plan(source, options, model=arguments.model)) for source in arguments.sources]
    if arguments.json:
        frozen = [upscaler.freeze(source, options, model=arguments.model).as_dict() for source, _ in plans]
        answers = [{**each, "forecast": plan.as_dict()} for each, (_, plan) in zip(frozen, plans, strict=True)]
        print(json.dumps(answers[0] if len(answers) == 1 else answers, indent=1))
    else:
        print("\n\n".join(describe_plan(source, plan, explain=arguments.explain) for source, plan in plans))
    return 0
