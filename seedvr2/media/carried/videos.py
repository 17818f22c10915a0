"""The table "what came in, what went out" of videos."""

from __future__ import annotations

from collections.abc import Mapping

from seedvr2.media.carried.item import Fate, Item

VIDEO_FORMATS = ("mp4", "mkv", "webm", "mov")


def _in(**fates: Fate) -> Mapping[str, Fate]:
    return fates


def _everywhere(fate: Fate) -> Mapping[str, Fate]:
    return dict.fromkeys(VIDEO_FORMATS, fate)


_KEPT, _ADJUSTED, _APPLIED = Fate.KEPT, Fate.ADJUSTED, Fate.APPLIED

VIDEO_ITEMS: tuple[Item, ...] = (
    Item("tags", "title, artist, comment and the like", _everywhere(_KEPT)),
    Item(
        "origin",
        "place, local date, maker and model",
        _everywhere(_KEPT),
        "Phones write them as keys of Apple's; they are in the result by these names and by the plain ones.",
    ),
    Item("keys", "other keys of phones, such as that of a live photo", _everywhere(_KEPT)),
    Item("track_tags", "tags of a track, such as its replay gain", _everywhere(_KEPT)),
    Item(
        "maker",
        "data of the camera's maker",
        _in(mp4=_KEPT, mov=_KEPT),
        "What stands beside the tags in mp4 and QuickTime files, byte by byte.",
    ),
    Item("xmp", "XMP metadata", _in(mp4=_KEPT, mov=_KEPT)),
    Item("creation_time", "the time of recording", _everywhere(_KEPT)),
    Item("language", "languages of tracks", _everywhere(_KEPT), "With a region, as in pt-BR."),
    Item(
        "disposition",
        "what a track is for",
        _in(mp4=_KEPT, mkv=_KEPT),
        "Dubbed, a commentary, for people hard of hearing… Every format says which is the default one.",
    ),
    Item("chapters", "chapters", _everywhere(_KEPT)),
    Item(
        "ordered_chapters",
        "the playing order of chapters",
        {},
        "Ordered chapters of Matroska; the result runs as the file does.",
    ),
    Item("linked", "the link to the files before and after", {}, "Linked segments of Matroska."),
    Item("cover", "cover art", _in(mp4=_KEPT, mkv=_KEPT)),
    Item("attachment", "attached files, such as fonts", _in(mkv=_KEPT)),
    Item(
        "sound",
        "sound",
        _in(mp4=_KEPT, mkv=_KEPT, webm=_ADJUSTED, mov=_KEPT),
        "Copied; where the format cannot hold it, coded anew with a warning. WebM holds Opus and Vorbis.",
    ),
    Item("text", "subtitles in text", _in(mp4=_ADJUSTED, mkv=_KEPT, webm=_ADJUSTED, mov=_ADJUSTED)),
    Item("style", "the look and the places of styled subtitles (ASS)", _in(mkv=_KEPT)),
    Item("bitmaps", "subtitles as pictures (PGS, DVB)", _in(mkv=_KEPT)),
    Item(
        "captions",
        "closed captioning",
        _in(mp4=_KEPT, mkv=_KEPT),
        "Those within the pictures (CEA-608 and 708), where the result is H.264 or HEVC.",
    ),
    Item("projection", "the projection of a 360° video", _everywhere(_KEPT)),
    Item(
        "stereo",
        "the order of the pictures for both eyes",
        _everywhere(_KEPT),
        "Pictures beside or above each other; in mp4 and mov only with the left eye first.",
    ),
    Item("second_view", "the view of the other eye (MV-HEVC, MVC)", {}),
    Item("timecode", "timecode", _everywhere(_KEPT)),
    Item("telemetry", "GoPro's telemetry", _in(mp4=_KEPT, mov=_KEPT)),
    Item("data", "a data track", {}),
    Item("unknown", "a track in an unknown codec", {}),
    Item("protected", "a protected (encrypted) track", {}, "Where the video itself is protected, the file is refused."),
    Item("other_video", "other video tracks", {}, "The default one is upscaled, else the first."),
    Item(
        "mastering",
        "HDR10 mastering data with light levels",
        _everywhere(_KEPT),
        "In the container, and in HEVC and AV1 of 10 bits also beside the pictures.",
    ),
    Item("hdr10plus", "HDR10+ data", {}),
    Item("hdr_vivid", "HDR Vivid data", {}),
    Item("ambient", "the light around that a video was graded for", {}),
    Item("active_format", "the active format description (AFD)", {}),
    Item("dolby_vision", "Dolby Vision data", {}),
    Item("rotation", "rotation and mirroring", _everywhere(_APPLIED)),
    Item("aspect", "the shape of pixels", _everywhere(_APPLIED)),
)
VIDEO = {item.key: item for item in VIDEO_ITEMS}
