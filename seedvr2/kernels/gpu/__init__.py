"""The Triton way. Only `seedvr2.kernels` imports these modules, and only where Triton is there.

Each has its kernels, and a function that launches them over tensors which its caller has looked at. Offsets into
tensors are 64 bits wide: activations of the VAE have more than 2³¹ numbers.
"""
