"""A small video whose muxer leaves room for additions, with these in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import av

from seedvr2.media.videos.mkv_additions import MkvAdditions
from seedvr2.media.videos.mp4_additions import Mp4Additions
from tests.seedvr2.media import clips


def written(
    target: Path,
    additions: MkvAdditions | Mp4Additions,
    tags: Mapping[str, str] | None = None,
    stream_tags: Mapping[int, Mapping[str, str]] | None = None,
) -> Path:
    """Write `target`, of `clip.mp4` beside it: a stream of pictures and one of sound; `tags`: of the file."""
    clip = clips.write_video(
        target.with_name("clip.mp4"), [clips.picture(32, 32, index) for index in range(5)], audio=[("aac", {})]
    )
    matroska = isinstance(additions, MkvAdditions)
    options = {} if matroska else {"movflags": "+faststart"}
    with av.open(str(clip)) as source, av.open(str(target), "w", container_options=options) as output:
        copies = {stream.index: output.add_stream_from_template(stream, opaque=True) for stream in source.streams}
        output.metadata.update(tags or {})
        for index, own in (stream_tags or {}).items():
            copies[index].metadata.update(own)
        additions.reserve(copies[0].metadata if matroska else output.metadata)
        for packet in source.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                output.mux(packet)
    additions.fill(target)
    return target
