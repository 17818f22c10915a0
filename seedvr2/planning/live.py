"""Storages that are alive while networks run on tensors without data: what a GPU would hold at that moment.

Shapes, types and layouts are real, numbers are not, so a clip of any size runs in seconds and in no memory. What
differs on a GPU from the processor that this runs on (layouts of norms and convolutions, the copies that they make
inside) is done here as CUDA and cuDNN do it. Not in the count: cuDNN's workspace, the context, fragmentation.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from seedvr2.network.memo import forget_all
from seedvr2.places import as_on_a_device

_CONVOLUTION = torch.ops.aten.convolution.default
_GROUP_NORM = torch.ops.aten.native_group_norm.default
_SCALAR = torch.ops.aten._local_scalar_dense.default


class LiveStorage(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the storages that were made under it and are still referred to.

    Attributes:
        live: bytes now. peak: the most so far, what an operation takes for itself included.
        limit: bytes from which on the device has no more, or None.
    """

    def __init__(self, limit: int | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        self.limit = limit
        self._known: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run one operation, and count what it made.

        Raises:
            torch.OutOfMemoryError: the limit is passed, in the words of a GPU.
        """
        if func is _SCALAR:
            # There are no numbers to look at; whoever asks wants to know that all is well.
            return args[0].dtype.is_floating_point or True
        scratch = _scratch(func, args)
        given = {id(leaf.untyped_storage()) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        result = _as_on_a_gpu(func, args, func(*args, **(kwargs or {})))
        for leaf in tree_leaves(result):
            # A view is no new storage, and what it looks at may be a weight, which is not counted here.
            if isinstance(leaf, Tensor) and id(leaf.untyped_storage()) not in given:
                self._watch(leaf)
        self.note(scratch)
        return result

    @contextmanager
    def apart(self) -> Iterator[list[int]]:
        """Adds to the list, at the end, the most that was alive meanwhile beyond what was before."""
        before, peak = self.live, self.peak
        self.peak, beyond = before, list[int]()
        try:
            yield beyond
        finally:
            beyond.append(self.peak - before)
            self.peak = max(peak, self.peak)

    def _watch(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = id(storage), storage.nbytes()
        if key in self._known:
            return

        def gone(_reference: object) -> None:
            self.live -= size
            self._known.pop(key, None)

        self._known[key] = weakref.ref(storage, gone)
        self.live += size

    def note(self, scratch: int) -> None:
        """Count `scratch` bytes that are there for a moment. Raises torch.OutOfMemoryError beyond the limit."""
        self.peak = max(self.peak, self.live + scratch)
        if self.limit is not None and self.live + scratch > self.limit:
            raise torch.OutOfMemoryError(f"CUDA out of memory: {self.live + scratch} bytes of {self.limit}.")


class _FusedNorms(TorchFunctionMode):
    """One kernel on a GPU, several operations with float32 between them elsewhere."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is torch.rms_norm:
            return torch.empty_like(args[0], memory_format=torch.contiguous_format)
        return func(*args, **(kwargs or {}))


@contextmanager
def dataless() -> Iterator[None]:
    """Tensors made in here have a shape, a type and a layout, and no data."""
    # Indices and angles are kept between calls: real ones must not come in here, nor dataless ones go out.
    forget_all()
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad(), as_on_a_device():
            yield
    finally:
        forget_all()


@contextmanager
def counted(limit: int | None = None) -> Iterator[LiveStorage]:
    """The count of what is made in here; to be used within `dataless`."""
    with ExitStack() as stack:
        live = stack.enter_context(LiveStorage(limit))
        stack.enter_context(_FusedNorms())
        yield live


class Elsewhere:
    """A `FrameStore` that only knows what it would hold: main memory as a device sees it, fetched one layer ahead."""

    def __init__(self) -> None:
        self._kept: dict[nn.Module, tuple[torch.Size, torch.dtype]] = {}
        self._coming: dict[nn.Module, Tensor] = {}
        self._order: list[nn.Module] = []

    def keep(self, layer: nn.Module, frames: Tensor) -> None:
        """As in `FrameStore`."""
        self._kept[layer] = frames.permute(0, 2, 3, 1).shape, frames.dtype
        if layer not in self._order:
            self._order.append(layer)

    def take(self, layer: nn.Module) -> Tensor:
        """As in `FrameStore`."""
        self._fetch(layer)
        frames = self._coming.pop(layer)
        for following in self._order[self._order.index(layer) + 1 :][:1]:
            self._fetch(following)
        return frames

    def _fetch(self, layer: nn.Module) -> None:
        if layer in self._kept:
            shape, dtype = self._kept.pop(layer)
            self._coming[layer] = torch.empty(shape, dtype=dtype).permute(0, 3, 1, 2)


def _format(tensor: Tensor) -> torch.memory_format:
    """Channels last where the tensor is that and not the plain order as well."""
    last = {4: torch.channels_last, 5: torch.channels_last_3d}[tensor.dim()]
    plain = tensor.is_contiguous()
    return last if tensor.is_contiguous(memory_format=last) and not plain else torch.contiguous_format


def _convolution_format(args: tuple[Any, ...]) -> torch.memory_format:
    """cuDNN works channels last where either the input or the weight is."""
    formats = [_format(args[0]), _format(args[1])]
    return next((each for each in formats if each is not torch.contiguous_format), torch.contiguous_format)


def _scratch(func: Any, args: tuple[Any, ...]) -> int:
    """Bytes that an operation holds only while it runs: its inputs in the layout that it wants."""
    if func is _CONVOLUTION:
        wanted = _convolution_format(args)
        return sum(part.nbytes for part in args[:2] if not part.is_contiguous(memory_format=wanted))
    if func is _GROUP_NORM:
        return 0 if args[0].is_contiguous() else int(args[0].nbytes)
    return 0


def _as_on_a_gpu(func: Any, args: tuple[Any, ...], result: Any) -> Any:
    """The result in the layout that it has on a GPU."""
    if func is _CONVOLUTION:
        return result.contiguous(memory_format=_convolution_format(args))
    if func is _GROUP_NORM:
        return (result[0].contiguous(), *result[1:])
    return result
