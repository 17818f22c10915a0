"""The published models: what there is, what of it is on this machine, and how to get the rest.

Nothing here imports torch before it has to look into a file, so that listing models costs nothing.
"""

from seedvr2.catalogue.registry import CATALOGUE, DEFAULT_MODEL, PublishedFile, find

__all__ = ["CATALOGUE", "DEFAULT_MODEL", "PublishedFile", "find"]
