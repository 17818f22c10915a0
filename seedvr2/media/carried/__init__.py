"""What travels along with the pixels: what a source carries, and what becomes of it in a result."""
