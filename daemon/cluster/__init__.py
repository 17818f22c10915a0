"""Many GPUs, here and on other machines: Ray behind the executor."""
