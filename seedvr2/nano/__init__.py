"""The embedded model: a small network of SeedVR2's own architecture that needs no download."""
