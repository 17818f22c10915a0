"""How the embedded model `nano` is trained: data, degradation, the training loop (docs/quality.md)."""
