"""Sources that are pictures: what they carry goes to a result that is one as well."""

from __future__ import annotations

from seedvr2.media.pictures.tags.picture_tags import PictureTags
from seedvr2.media.source import Source


class TaggedSource(Source):
    """A picture or an animation.

    Attributes:
        tags: what it carries; of a still, what fits the pixels that `frames` has given.
    """

    tags: PictureTags = PictureTags()
