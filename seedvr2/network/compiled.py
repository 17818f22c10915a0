"""Chains of cheap operations as single passes that `torch.compile` makes, where that is asked for and works.

What is compiled are functions of tokens and vectors alone: never a layer, whose weights are packed, or change their
place when blocks take turns on a device, so that a compiled block would be compiled again and again.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from seedvr2.trouble import is_out_of_memory

log = logging.getLogger(__name__)

# Versions of one function for types, ranks and the like; any number of rows is one version. torch itself stops at 8,
# without a word to us and with the formula run step by step.
_MOST_VERSIONS = 6
# How far two ways of rounding the same number may be apart, in units of its type.
_ROUNDINGS = 4

_wanted = False


@contextmanager
def compiling(wanted: bool = True) -> Iterator[None]:
    """In here what can be compiled is, or is not."""
    global _wanted
    before, _wanted = _wanted, wanted
    try:
        yield
    finally:
        _wanted = before


class Compilable:
    """A function that writes its result into a tensor: a plain one, and a formula for the compiler.

    The first result of each kind is compared with the plain one's. Where compiling or running fails for another reason
    than memory, where a result differs by more than rounding, or where too many versions would be needed, the log says
    so once and the plain way is taken in this process from then on.
    """

    def __init__(
        self, name: str, formula: Callable[..., None], plain: Callable[..., None], *, on_processor: bool = True
    ) -> None:
        """Nothing is compiled yet.

        Args:
            name: for the log.
            formula: `formula(out, *inputs)` writes to `out`, which it may have read, and to nothing else.
            plain: the same result; it may overwrite its inputs.
            on_processor: whether it is worth compiling there.
        """
        self._name = name
        self._formula = formula
        self._plain = plain
        self._on_processor = on_processor
        self._proven: set[Hashable] = set()
        self._versions = 0
        self._works = True
        self._compiled: Callable[..., None] | None = None

    @property
    def works(self) -> bool:
        """Whether nothing has failed so far."""
        return self._works

    @property
    def versions(self) -> int:
        """How many versions were compiled so far."""
        return self._versions

    def __call__(self, out: Tensor, *inputs: Tensor) -> None:
        """Write the result of `inputs` into `out`, the compiled way where it is wanted and works.

        Raises:
            RuntimeError: memory ran out.
        """
        if not self._is_for(out):
            self._plain(out, *inputs)
            return
        kind = tuple((x.dtype, x.device, x.ndim, x.shape[-1]) for x in (out, *inputs))
        if kind in self._proven:
            if not self._run(out, *inputs):
                self._plain(out, *inputs)
            return
        wanted = out.clone()
        self._plain(wanted, *(x.clone() for x in inputs))
        if self._run(out, *inputs) and _alike(out, wanted):
            self._proven.add(kind)
            return
        if self._works:
            self._give_up("its result is another one")
        out.copy_(wanted)

    def _is_for(self, out: Tensor) -> bool:
        # Tensors without data are of a class of their own.
        real = type(out) is Tensor and not out.is_meta and not torch.is_grad_enabled() and out.numel() > 0
        return _wanted and self._works and real and (self._on_processor or out.device.type != "cpu")

    def _run(self, out: Tensor, *inputs: Tensor) -> bool:
        try:
            if self._compiled is None:
                self._compiled = torch.compile(self._formula, backend=self._compile, dynamic=True, fullgraph=True)
            self._compiled(out, *inputs)
        except Exception as error:  # whatever the compilers, of Python or C++, or the device raise
            if is_out_of_memory(error):
                raise
            self._give_up(_words(error))
            return False
        return True

    def _compile(self, graph: torch.fx.GraphModule, inputs: Sequence[Any]) -> Callable[..., Any]:
        if self._versions == _MOST_VERSIONS:
            raise RuntimeError(f"it would need more than {_MOST_VERSIONS} versions")
        self._versions += 1
        with warnings.catch_warnings():
            # torch's compiler warns of what torch itself has deprecated.
            warnings.simplefilter("ignore")
            import torch._inductor  # takes a second

            compiled: Callable[..., Any] = torch._inductor.compile(graph, list(inputs))
        return compiled

    def _give_up(self, reason: str) -> None:
        self._works = False
        self._compiled = None
        log.warning("Compiling %s does not work here, so it runs as without: %s.", self._name, reason.rstrip("."))


def _words(error: Exception) -> str:
    # torch wraps what a backend raises into an error whose first line says only that.
    inner = getattr(error, "inner_exception", None)
    cause = inner if isinstance(inner, Exception) else error
    return f"{type(cause).__name__}: {str(cause).strip().partition(chr(10))[0]}"


def _alike(found: Tensor, wanted: Tensor) -> bool:
    """Whether both hold the same but for rounding, infinities and what is no number included."""
    tolerance = _ROUNDINGS * torch.finfo(wanted.dtype).eps
    exact = wanted.float()
    size = exact.nan_to_num(0.0, 0.0, 0.0).abs().amax().item()
    return torch.allclose(found.float(), exact, rtol=tolerance, atol=tolerance * size, equal_nan=True)
