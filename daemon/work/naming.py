"""Names of results: `clip_3b_fp8_1080p_b5_clab_s42_25s.mp4`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from daemon.jobs.job import Media
from daemon.store.files import clean_name, cut

# Room for the `.json` beside the result.
RESULT_BYTES = 250
VIDEO_FORMATS = ("mp4", "mkv", "webm", "mov")
PICTURE_FORMATS = ("png", "jpg", "webp", "tiff")


def model_tag(model: str) -> str:
    """`seedvr2_ema_3b_fp8_e4m3fn.safetensors` -> `3b_fp8`."""
    name = re.sub(r"\.(safetensors|gguf|pth?)$", "", PurePath(model).name)
    return name.removeprefix("seedvr2_ema_").replace("_e4m3fn", "")


def result_suffix(media: Media, output_format: str) -> str | None:
    """The suffix of the result of a source; None if that format cannot hold it."""
    if output_format == "auto":
        output_format = media.transparent or "mp4" if media.kind == "video" else "png"
    return f".{output_format}" if output_format in _fitting(media.kind) else None


def wrong_format(kind: str, output_format: str) -> str:
    """Why a picture cannot become a video file, or a video a picture file."""
    *most, last = _fitting(kind)
    return f"A {kind} cannot be written as {output_format}. Ask for output_format auto, {', '.join(most)} or {last}."


def _fitting(kind: str) -> tuple[str, ...]:
    return VIDEO_FORMATS if kind == "video" else PICTURE_FORMATS


def result_name(
    original: str,
    *,
    model: str,
    options: Mapping[str, Any],
    width: int,
    height: int,
    seconds: float,
    tiled: bool,
    suffix: str,
) -> str:
    """The name of a result; see `docs/` for its parts. At most `RESULT_BYTES` long."""
    parts = [
        model_tag(model),
        f"{min(width, height)}p",
        f"b{options['batch_size']}",
        f"c{options['color_correction']}",
        f"s{options['seed']}",
    ]
    if tiled:
        parts.append(f"vae{str(options['vae_quality'])[0].upper()}")
    parts.append(f"{round(seconds)}s")
    stem = PurePath(clean_name(original)).stem
    return cut(stem, "_" + "_".join(parts) + suffix, RESULT_BYTES)
