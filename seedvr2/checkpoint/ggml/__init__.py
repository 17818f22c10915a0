"""The ggml block formats: exact float32 dequantisation in torch on any device, and encoders for the common ones."""

from seedvr2.checkpoint.ggml.blocks import BLOCKS
from seedvr2.checkpoint.ggml.decoding import dequantize, is_supported
from seedvr2.checkpoint.ggml.encoding import ENCODERS, quantize

__all__ = ["BLOCKS", "ENCODERS", "dequantize", "is_supported", "quantize"]
