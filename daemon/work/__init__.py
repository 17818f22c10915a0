"""Running jobs: the worker thread, one job from source to published result, and what a start or time does to them."""
