"""The table of parameters as options of a command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from seedvr2.options import Parameter


def add_parameters(parser: argparse.ArgumentParser, parameters: Iterable[Parameter]) -> None:
    """One option each, with its meaning, what it takes and its default; not given, it is None."""
    for parameter in parameters:
        flag = "--" + parameter.name.replace("_", "-")
        default = str(parameter.default).lower() or "empty"
        text = f"{parameter.meaning} ({parameter.takes()}; default {default})".replace("%", "%%")
        if parameter.kind is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            parser.add_argument(flag, default=None, metavar="VALUE", help=text)


def given(arguments: argparse.Namespace, parameters: Iterable[Parameter]) -> dict[str, Any]:
    """The parameters that the command line names, by name."""
    values = {parameter.name: getattr(arguments, parameter.name) for parameter in parameters}
    return {name: value for name, value in values.items() if value is not None}
