"""Short convolutions by fewer products: Winograd's minimal filtering, along one axis.

m outputs of a kernel of three taps take m + 2 products instead of 3·m (Winograd 1980; Lavin and Gray,
arXiv:1509.09308): y = A·((G·g) ∘ (B·d)). Each row of B is the polynomial that is zero at all points but its own; the
points are small powers of two, so that A and B hold numbers that every floating-point type has exactly, and the
division is left to G, which is applied to the kernel once, in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seedvr2.network.memo import Memo

TAPS = 3
# By outputs: where the polynomials are evaluated, beside infinity. In bfloat16, 4 outputs with ±½ or ±2 on both sides
# have half as much error again.
_POINTS = {2: (0.0, 1.0, -1.0), 4: (0.0, 1.0, -1.0, 0.5, -2.0)}
# The one point whose product enters every output just once; a bias that is added there is added to all of them.
BIAS_POINT = 1
_FILTERINGS = Memo(2)


@dataclass(frozen=True, slots=True)
class Filtering:
    """The three matrices, float64.

    Attributes:
        outputs: (m, n), A: from products to outputs.
        kernel: (n, 3), G: from taps to factors.
        inputs: (n, n), B: from inputs to factors; n = m + 2.
    """

    outputs: Tensor
    kernel: Tensor
    inputs: Tensor

    def kernels(self, taps: Tensor) -> Tensor:
        """The factors (n, ...) of a kernel (3, ...), in float32."""
        factors: Tensor = torch.tensordot(self.kernel.to(taps.device), taps.double(), 1)
        return factors.float()


def filtering(outputs: int) -> Filtering:
    """The matrices for 2 or 4 outputs of three taps."""
    return _FILTERINGS.get(outputs, lambda: _filtering(outputs))


def _filtering(outputs: int) -> Filtering:
    points = _POINTS[outputs]
    size = len(points) + 1
    inputs, kernel = np.zeros((size, size)), np.zeros((size, TAPS))
    for index, point in enumerate(points):
        others = [other for other in points if other != point]
        inputs[index, : size - 1] = np.poly(others)[::-1]
        kernel[index] = point ** np.arange(TAPS) / np.prod([point - other for other in others])
    inputs[-1] = np.poly(points)[::-1]
    kernel[-1, -1] = 1
    result = np.vander(points, outputs, increasing=True).T
    result = np.hstack((result, np.eye(outputs)[:, -1:]))
    return Filtering(torch.from_numpy(result.copy()), torch.from_numpy(kernel), torch.from_numpy(inputs))
