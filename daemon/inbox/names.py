"""What names in the inbox tell: which files are unfinished, which are the system's or ours, which belong to others."""

from __future__ import annotations

import re

DONE, FAILED = "_done", "_failed"
ERROR_SUFFIX, NOTE_SUFFIX = ".error.txt", ".note.txt"
PRESET_FILE = "preset.toml"
SIDECARS = (".toml", ".json")
# What browsers, downloaders, copy programs, editors and synchronisers call a file that is not complete yet, or is
# their own.
_UNFINISHED = (
    ".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", ".opdownload", ".cdownload", ".fdmdownload",
    ".idmdownload", ".adadownload", ".downloading", ".uploading", ".incomplete", ".unconfirmed", ".filepart",
    ".dtapart", ".ytdl", ".xltd", ".td", ".aria2", ".gstmp", ".part.met", ".!qb", ".!ut", ".!bt", ".!sync", ".bc!",
    ".jc!", ".ob!", ".uc!", ".az!", ".lftp-pget-status", ".swp", ".lock", ".bak", "~",
)  # fmt: skip
# yt-dlp's fragments; disk quotas; what a repair of a FAT disk found.
_PATTERNS = re.compile(r".*\.part-frag\d+|aquota\..*|found\.\d{3}|unconfirmed \d+\..*", re.DOTALL)
# Recycle bins, snapshots and indexes of Windows, macOS, Synology and QNAP; names with a dot in front are hidden anyway.
_SYSTEM = frozenset((
    "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r", "__macosx", "lost+found",
    "$recycle.bin", "recycler", "recycled", "system volume information", "network trash folder", "temporary items",
    "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@eadir", "@tmp", "@sharebin", "@sharesnap",
    "@transcode", "sync.ffs_db", "sync.ffs_lock", "_gsdata_",
))  # fmt: skip
_BEGINNINGS = (".", "_unpack_", "_failed_", "~$", "~syncthing~")
# What cameras, downloaders and people put beside a picture or a video: subtitles, notes, metadata, checksums.
_COMPANIONS = (
    *SIDECARS, ".srt", ".ass", ".ssa", ".vtt", ".sub", ".idx", ".sup", ".smi", ".sbv", ".lrc", ".ttml", ".dfxp",
    ".nfo", ".xmp", ".aae", ".txt", ".xml", ".csv", ".thm", ".edl", ".cue", ".gpx", ".description", ".md5", ".sha1",
    ".sha256", ".sfv", ".pp3", ".dop", ".cpi", ".moi", ".bif", ".torrent",
)  # fmt: skip
# A track that yt-dlp has fetched and will join with another: `clip.f137.mp4`, `clip.fhls-audio-1.m4a`.
_TRACK = re.compile(r"(.+)\.f(?:\d{1,4}|hls|dash|http)(?:-[\w-]+)?\.(?:mp4|webm|mkv|m4a|m4v|mov|3gp|flv|ogg|opus|mp3)")


def ignored(name: str) -> bool:
    """Whether a file or folder of this name is never a source."""
    lower = name.lower()
    return (
        lower.startswith(_BEGINNINGS)
        or lower.endswith(_UNFINISHED)
        or lower in _SYSTEM
        or _PATTERNS.fullmatch(lower) is not None
    )


def is_companion(name: str) -> bool:
    """Whether a file of this name belongs to another one, or is a preset or a text of ours."""
    return name.lower().endswith(_COMPANIONS)


def travels(name: str) -> bool:
    """Whether a file of this name goes where the one goes that it belongs to."""
    lower = name.lower()
    return is_companion(name) and lower != PRESET_FILE and not lower.endswith((ERROR_SUFFIX, NOTE_SUFFIX))


def joined_name(name: str) -> str:
    """`clip` for a track of a download that will be joined to `clip.mp4`; empty for all other names."""
    track = _TRACK.fullmatch(name)
    return track[1] if track else ""
