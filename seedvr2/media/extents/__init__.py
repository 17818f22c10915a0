"""How far a file reaches by its own word, one module for each family of containers. Nothing is decoded."""
