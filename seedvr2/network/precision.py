"""What the networks compute in, and what happens where the range of that type is too small.

float16 is ten times as exact as bfloat16 and ends at 65504: beyond it are infinities, and after the next norm a frame
of nothing. So every result is looked at, with one sum, and one that holds no numbers is computed again in a type of
wider range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

import torch
from torch import Tensor

from seedvr2.commands import command
from seedvr2.errors import NumericError


class NotFinite(ArithmeticError):  # noqa: N818 - raised and caught within the engine only
    """A result holds infinities, or what is no number."""


def vae_dtype(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """What the VAE computes in where the transformer computes in `dtype`: float16 for either half type on a GPU."""
    return torch.float16 if device.type == "cuda" and dtype == torch.bfloat16 else dtype


def wider_types(dtype: torch.dtype, device: torch.device) -> tuple[torch.dtype, ...]:
    """The types of wider range to try after `dtype`, the cheapest first; none after float32."""
    if dtype == torch.float16 and device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0):
        # Older cards convolve bfloat16 by way of columns that take many times the memory.
        return torch.bfloat16, torch.float32
    return (torch.float32,) if dtype.itemsize < torch.float32.itemsize else ()


def check_finite(x: Tensor) -> Tensor:
    """`x`, once it is known to hold only numbers; waits for the device. Raises NotFinite."""
    # Tensors that stand for a size alone ("meta", fake ones) hold nothing to look at.
    if not x.is_meta and type(x) is Tensor:
        # One pass and no tensor beside it: a single infinity or not-a-number makes the sum one.
        total = x.sum(dtype=torch.promote_types(x.dtype, torch.float32))
        if not total.isfinite():
            raise NotFinite
    return x


def run_finite(
    run: Callable[[torch.dtype], Tensor],
    dtype: torch.dtype,
    device: torch.device,
    stage: str,
    on_retry: Callable[[], None],
) -> Tensor:
    """A result that holds only numbers.

    Args:
        run: computes it in a type, and raises NotFinite as `check_finite` does.
        dtype: what it is computed in at first.
        device: where. stage: a word for the message.
        on_retry: called before each attempt in a wider type.

    Raises:
        NumericError: there are no numbers in float32 either.
    """
    # The device is asked about wider types only when one is needed.
    for attempt in chain((dtype,), _wider(dtype, device)):
        if attempt != dtype:
            on_retry()
        try:
            return run(attempt)
        except NotFinite:
            # Tried again outside of this block, which keeps the tensors of what failed alive.
            continue
    raise numeric_error(stage)


def stream_finite(
    run: Callable[[torch.dtype], Iterator[Tensor]],
    dtype: torch.dtype,
    device: torch.device,
    stage: str,
    on_retry: Callable[[], None],
) -> Iterator[Tensor]:
    """As `run_finite`, of a result that comes in pieces.

    A wider type begins from the start again, as what a network remembers of earlier pieces is gone; pieces that were
    given out already are not given again.
    """
    given = 0
    for attempt in chain((dtype,), _wider(dtype, device)):
        if attempt != dtype:
            on_retry()
        try:
            for index, piece in enumerate(run(attempt)):
                if index == given:
                    given += 1
                    yield piece
                # Not alive while the next one is made.
                del piece
            return
        except NotFinite:
            continue
    raise numeric_error(stage)


def _wider(dtype: torch.dtype, device: torch.device) -> Iterator[torch.dtype]:
    yield from wider_types(dtype, device)


def numeric_error(stage: str) -> NumericError:
    """The error of a stage that gave no numbers in any type."""
    return NumericError(
        f"The result of {stage} does not consist of numbers, whatever it is computed in, so no file was made of it; "
        f"the weight files may be damaged: check them with `{command('models', 'verify')}`, or fetch them again."
    )
