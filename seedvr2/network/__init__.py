"""The two networks of SeedVR2, the diffusion transformer and the causal video VAE, and how weights reach them."""
