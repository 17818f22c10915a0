"""Reading and writing videos with PyAV."""
