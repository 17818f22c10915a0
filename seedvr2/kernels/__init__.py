"""Operations that a GPU does in one pass over the memory, each with a plain way in torch that is its measure.

A public function takes the Triton way (`gpu/`) where tensors are on a card and Triton is there, the plain way
everywhere else. They are for inference: no gradients.
"""

from seedvr2.kernels.float8 import widen
from seedvr2.kernels.ggml import unpack_into
from seedvr2.kernels.modulation import rms_modulate
from seedvr2.kernels.norm import norm_silu
from seedvr2.kernels.rotation import norm_rotate

__all__ = ["norm_rotate", "norm_silu", "rms_modulate", "unpack_into", "widen"]
