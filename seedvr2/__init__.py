"""The SeedVR2 engine: one-step restoration of videos and pictures."""

__version__ = "0.1.0"
