"""The door to the engine, the models behind it and the GPU."""
