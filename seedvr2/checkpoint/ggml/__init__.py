"""The ggml block formats: exact float32 dequantisation in torch on any device, and encoders for the common ones."""

from seedvr2.checkpoint.ggml.blocks import BLOCKS
from seedvr2.checkpoint.ggml.decoding import dequantize, is_supported

__all__ = ["BLOCKS", "dequantize", "is_supported"]
