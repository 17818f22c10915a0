"""Products with weights: expanded once for all the rows that they meet, in the form that the device multiplies fastest.

On x86 processors oneDNN multiplies float32 twice as fast as the BLAS that torch takes by itself does on some of them,
and half precision a tenth faster once a weight lies in the order of its kernels. The operators are those that
`torch.compile` writes into its code; where they are missing or refuse, the plain product is taken.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

# How many rows the order of a packed weight is chosen for; any number can be multiplied with it.
_ROWS = 512
# From so many on, the tenth of the product that it saves takes longer than putting the weight into order.
_WORTH_PACKING = 1024


class Product:
    """x · Wᵀ + b.

    Attributes:
        nbytes: what the weight takes in memory of its own.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """A weight (outputs, inputs) and a bias (outputs,) in the type and on the device of what they will meet."""
        self._weight = weight
        self._bias = bias
        self._outputs = weight.shape[0]
        self._packed = False

    @property
    def nbytes(self) -> int:
        """Bytes of the weight."""
        return self._weight.nbytes

    def for_rows(self, rows: int) -> Product:
        """The same in the form that is fastest for so many rows in all."""
        return self.packed() if rows >= _WORTH_PACKING else self

    def packed(self) -> Product:
        """The same with its weight in the order of the processor's kernels: a copy, worth keeping."""
        if self._packed or self._weight.dtype == torch.float32 or not _by_onednn(self._weight):
            return self
        product = Product(self._weight, self._bias)
        product._weight = torch.ops.mkldnn._reorder_linear_weight(self._weight, _ROWS)
        product._packed = True
        return product

    def __call__(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        # Half precision goes to oneDNN by itself, unless the weight is in an order that only oneDNN knows.
        if self._packed or (x.dtype == torch.float32 and type(x) is Tensor and _by_onednn(self._weight)):
            result: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")
            return result
        return F.linear(x, self._weight, self._bias)

    def last(self, outputs: int) -> Product:
        """Only the last so many outputs, where that saves anything."""
        if self._packed:
            return _Last(self, outputs)
        return Product(self._weight[-outputs:], None if self._bias is None else self._bias[-outputs:])


class _Last(Product):
    """The last outputs of a product whose weight cannot be cut."""

    def __init__(self, whole: Product, outputs: int) -> None:
        self._whole, self._outputs = whole, outputs

    def __call__(self, x: Tensor) -> Tensor:
        return self._whole(x)[..., -self._outputs :]


def _by_onednn(weight: Tensor) -> bool:
    plain = type(weight) in (Tensor, torch.nn.Parameter) and weight.device.type == "cpu"
    return plain and not torch.is_grad_enabled() and _onednn_multiplies(weight.dtype)


@lru_cache(maxsize=8)
def _onednn_multiplies(dtype: torch.dtype) -> bool:
    """Whether oneDNN's product of numbers of this type can be had here, and is right."""
    if not torch._C._has_mkldnn or torch.backends.cpu.get_cpu_capability() in ("DEFAULT", "NO AVX"):
        return False
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(_ROWS, 64, generator=generator).to(dtype) for _ in range(2))
    try:
        with torch.no_grad():
            packed = torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS)
            found = [torch.ops.mkldnn._linear_pointwise(x, each, None, "none", [], "") for each in (weight, packed)]
    except (RuntimeError, AttributeError):
        return False
    wanted = F.linear(x.float(), weight.float())
    tolerance = 32 * torch.finfo(dtype).eps
    return all(torch.allclose(each.float(), wanted, rtol=tolerance, atol=tolerance) for each in found)
