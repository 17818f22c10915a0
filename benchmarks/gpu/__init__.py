"""What only a real card can show, in ten steps: `python -m benchmarks.gpu`, or `make check-gpu`.

Needs torch, numpy and safetensors, and nothing else: weights of the real size are random and made on the device, frames
are arrays. Without a GPU, or with `--small`, the same code runs at tiny sizes on the processor, so that it cannot rot.
"""
