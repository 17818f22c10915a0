"""Names of tags: what describes the file and what its content; what Apple and others call the same thing."""

from __future__ import annotations

import re
from collections.abc import Mapping

# What describes the old file or its coding, not the content; the muxer writes its own. First of any container, then of
# Flash, Windows Media and MXF.
_STALE = {
    *("MAJOR_BRAND", "MINOR_VERSION", "COMPATIBLE_BRANDS", "ENCODER", "DURATION", "ROTATE", "VENDOR_ID", "ALPHA_MODE"),
    *("STEREO_MODE",),
    *("FILESIZE", "WIDTH", "HEIGHT", "FRAMERATE", "VIDEODATARATE", "VIDEOCODECID", "AUDIODATARATE", "AUDIOCODECID"),
    *(
        "AUDIOSAMPLERATE",
        "AUDIOSAMPLESIZE",
        "STEREO",
        "HASVIDEO",
        "HASAUDIO",
        "HASMETADATA",
        "HASKEYFRAMES",
        "HASCUEPOINTS",
    ),
    *("CANSEEKTOEND", "DATASIZE", "VIDEOSIZE", "AUDIOSIZE", "LASTTIMESTAMP", "LASTKEYFRAMETIMESTAMP", "TOTALDURATION"),
    *("TOTALDATARATE", "BYTELENGTH", "LASTKEYFRAMELOCATION", "METADATACREATOR", "AUDIODELAY"),
    *("WMFSDKNEEDED", "WMFSDKVERSION", "ISVBR", "DEVICECONFORMANCETEMPLATE", "ASFLEAKYBUCKETPAIRS"),
    *(
        "UID",
        "GENERATION_UID",
        "PRODUCT_UID",
        "PRODUCT_VERSION",
        "PRODUCT_VERSION_NUM",
        "TOOLKIT_VERSION_NUM",
        "OPERATIONAL_PATTERN_UL",
        "MATERIAL_PACKAGE_UMID",
    ),
    *("FILE_PACKAGE_UMID", "FILE_PACKAGE_NAME", "TOOLKIT_VERSION", "APPLICATION_PLATFORM"),
}
_STALE_HANDLERS = {"VideoHandler", "SoundHandler", "SubtitleHandler", "DataHandler", "TimeCodeHandler"}
_MUXER = "Lavf"  # FFmpeg's, which some formats call their software
_STALE_PREFIXES = ("BPS", "NUMBER_OF_", "DURATION-", "_STATISTICS_", "SOURCE_ID")
# By the plain name: Apple's key for the same. Photo libraries look for one of both.
_APPLE = {
    "location": "com.apple.quicktime.location.ISO6709",
    "date_recorded": "com.apple.quicktime.creationdate",
    "make": "com.apple.quicktime.make",
    "model": "com.apple.quicktime.model",
}
_SPELLED = {name.lower(): name for name in _APPLE.values()}
_COORDINATES = re.compile(r"[+-]\d")  # of ISO 6709; others write the name of a place
# What Matroska writes in capitals; its reader leaves them so.
_REVERSED = ("COM.APPLE.", "COM.ANDROID.", "COM.SAMSUNG.")


def lasting_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that are still true of a result."""
    lasting = {
        key: text
        for key, text in tags.items()
        if key.upper() not in _STALE
        and not key.upper().startswith(_STALE_PREFIXES)
        and text not in _STALE_HANDLERS
        and not text.startswith(_MUXER)
    }
    # A track's title is called so in every container but mp4, and the mp4 muxer wants it called so too.
    if "name" in lasting:
        lasting.setdefault("title", lasting.pop("name"))
    return lasting


def portable_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """A file's tags that last, with place, date and camera by their plain names and by Apple's as well."""
    named = {_spelled(key): text for key, text in lasting_tags(tags).items()}
    lower = {key.lower(): text for key, text in named.items()}
    for plain, apple in _APPLE.items():
        text = lower.get(apple.lower()) or lower.get(plain)
        if text is not None and (plain != "location" or _COORDINATES.match(text)):
            for name in (plain, apple):
                if name.lower() not in lower:
                    named[name] = text
    # The reader of QuickTime gives the place once more for its language.
    return {key: text for key, text in named.items() if not key.lower().startswith("location-")}


def _spelled(key: str) -> str:
    lower = key.lower()
    return _SPELLED.get(lower, lower) if key.startswith(_REVERSED) else key
