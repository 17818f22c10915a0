"""A video in segments that are made apart from each other, by whatever starts processes on other machines."""
