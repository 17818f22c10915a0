"""Names of results: `clip_3b_fp8_1080p_b5_clab_s42_25s.mp4`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from daemon.jobs.job import Media
from daemon.store.files import clean_name, cut
from seedvr2.options import UpscaleOptions

# Room for the `.json` beside the result.
RESULT_BYTES = 250
# What records of earlier versions mean, which do not say what fits.
_FITTING = {"picture": ("png", "jpg", "webp", "tiff"), "video": ("mp4", "mkv")}


def model_tag(model: str) -> str:
    """`seedvr2_ema_3b_fp8_e4m3fn.safetensors` -> `3b_fp8`."""
    name = re.sub(r"\.(safetensors|gguf|pth?)$", "", PurePath(model).name)
    return name.removeprefix("seedvr2_ema_").replace("_e4m3fn", "")


def result_suffix(media: Media, options: UpscaleOptions) -> str | None:
    """The suffix of the result of a source; None if the format that is asked for cannot hold it."""
    fitting, asked = _fitting(media), options.output_format
    if asked not in ("auto", *fitting):
        return None
    if media.kind == "video" and options.asks_for_a_video:
        return f".{options.wish.container_for(fitting)}"
    return f".{fitting[0] if asked == 'auto' else asked}"


def wrong_format(media: Media, output_format: str) -> str:
    """Why a source cannot be written in that format, and in which it can."""
    *most, last = _fitting(media)
    fitting = f"auto, {', '.join(most)} or {last}"
    return f"A {media.kind} cannot be written as {output_format}. Ask for output_format {fitting}."


def _fitting(media: Media) -> tuple[str, ...]:
    return media.formats or _FITTING[media.kind]


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
