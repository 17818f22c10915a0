"""What happens to queries and keys between their projection and attention: a norm of each head, then rotation."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seedvr2.kernels.switch import attempt


def norm_rotate(x: Tensor, weight: Tensor, cosine: Tensor, sine: Tensor, eps: float) -> Tensor:
    """RMS norm over the last axis times `weight`, then rotation of the interleaved pairs (2i, 2i+1).

    Args:
        x: (tokens, heads, head_dim), floating point, such as the queries' slice of (tokens, 3, heads, head_dim).
        weight: (head_dim,), of any floating point type.
        cosine, sine: (tokens, pairs) in float32, pairs <= head_dim / 2; pairs beyond are not rotated.

    Returns:
        A new tensor (tokens, heads, head_dim) in the type of `x`, contiguous.
    """

    def launch() -> Tensor:
        from seedvr2.kernels.gpu import rotation

        return rotation.norm_rotate(x, weight.contiguous(), cosine.contiguous(), sine.contiguous(), eps)

    done = attempt("norm_rotate", x, launch) if x.stride(-1) == 1 else None
    return _plain(x, weight, cosine, sine, eps) if done is None else done


def _plain(x: Tensor, weight: Tensor, cosine: Tensor, sine: Tensor, eps: float) -> Tensor:
    normed = F.rms_norm(x, x.shape[-1:], weight.to(x.dtype), eps)
    pairs = cosine.shape[-1]
    # As complex numbers: half the time of even and odd channels apart.
    points = torch.view_as_complex(normed[..., : 2 * pairs].float().reshape(*x.shape[:-1], pairs, 2))
    turned = torch.view_as_real(points * torch.complex(cosine, sine)[:, None])
    normed[..., : 2 * pairs] = turned.flatten(-2)
    return normed
