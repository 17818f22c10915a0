"""What the images of a preview say of their colours: what the job's result would."""

from __future__ import annotations

from seedvr2.media import Source
from seedvr2.media.pictures.tagged import TaggedSource
from seedvr2.media.pictures.tags.picture_tags import PictureTags
from seedvr2.media.videos.color_tags import BT2020
from seedvr2.media.videos.video_source import VideoSource


def colours_of(source: Source) -> PictureTags:
    """The colour profile of a picture, or the numbers that stand for a video's colours where these are no usual ones.

    To be asked once the source was decoded.
    """
    if isinstance(source, TaggedSource):
        tags = source.tags
        return PictureTags(icc=tags.icc, cicp=tags.cicp, color_chunks=tags.color_chunks)
    if isinstance(source, VideoSource) and (source.tags.hdr or source.tags.primaries == BT2020):
        # As RGB over the full range (ITU-T H.273: matrix 0, range 1).
        return PictureTags(cicp=(source.tags.primaries, source.tags.transfer, 0, 1))
    return PictureTags()
