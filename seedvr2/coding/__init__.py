"""What a video can be coded with, and how what was asked for goes together."""
