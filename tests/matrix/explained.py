"""Why a field of a result may differ from its source's: by a rule, or because a warning names it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.matrix.readings import Difference, numbers

# A container's clock, and a packet of sound: what coding or copying anew may move.
_TICK_S, _PACKET_S = 0.0025, 0.030


@dataclass(frozen=True, slots=True)
class Rule:
    """A reason for differences.

    Attributes:
        field: a regular expression for the whole name.
        why: a sentence.
        holds: what must be true of the difference besides. warning: a regular expression that a warning must have.
    """

    field: str
    why: str
    holds: Callable[[Difference], bool] = lambda _: True
    warning: str = ""

    def explains(self, difference: Difference, warnings: Sequence[str]) -> bool:
        """Whether this is the reason."""
        if not re.fullmatch(self.field, difference.field) or not self.holds(difference):
            return False
        return not self.warning or any(re.search(self.warning, each, re.IGNORECASE) for each in warnings)


def unexplained(found: Sequence[Difference], warnings: Sequence[str], rules: Sequence[Rule]) -> list[Difference]:
    """The differences that no rule explains."""
    return [each for each in found if not any(rule.explains(each, warnings) for rule in rules)]


def became(*values: str | None) -> Callable[[Difference], bool]:
    """It is one of these values now."""
    return lambda each: each.after in values


def was(*values: str | None) -> Callable[[Difference], bool]:
    """It was one of these values."""
    return lambda each: each.before in values


def close(within: float) -> Callable[[Difference], bool]:
    """As many numbers as before, each of them near to what it was."""

    def holds(each: Difference) -> bool:
        before, after = numbers(each.before), numbers(each.after)
        near = (abs(a - b) <= within for a, b in zip(before, after, strict=False))
        return bool(before) and len(before) == len(after) and all(near)

    return holds


def _doubled(each: Difference) -> bool:
    """Twice the size at which the source is shown: upright, and in square pixels."""
    width, height = int(each.source["video0.width"]), int(each.source["video0.height"])
    shape = numbers(each.source.get("video0.sample_aspect_ratio"))
    if len(shape) == 2 and all(shape):
        width = round(width * shape[0] / shape[1])
    turned = numbers(each.source.get("video0.side_data_list.Display Matrix.rotation"))
    if turned and turned[0] % 180:
        width, height = height, width
    return each.after == str(2 * (width if each.field.endswith("width") else height))


def _same_shape(each: Difference) -> bool:
    return each.after in ("1:1", None) or each.field.endswith("display_aspect_ratio")


def _reordered(each: Difference) -> bool:
    return each.source["format.format_name"] == "avi" and close(0.07)(each)


def _near_rate(each: Difference) -> bool:
    rates = []
    for text in (each.before, each.after):
        parts = numbers(text)
        rates.append(parts[0] / parts[1] if len(parts) == 2 and parts[1] else 0)
    times = numbers(each.result["video0.times"])
    shown = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else rates[1]
    # Some containers say the least common step, and mp4 how many frames there were in how many seconds.
    return rates[0] == 0 or abs(rates[1] / rates[0] - 1) < 0.01 or abs(rates[1] / shown - 1) < 0.15


def _priming(each: Difference) -> bool:
    before, after = numbers(each.before), numbers(each.after)
    heard = [numbers(fields.get("audio0.heard")) for fields in (each.source, each.result)]
    return abs(before[0] - after[0]) < 0.07 and all(heard) and abs(heard[0][0] - heard[1][0]) < _PACKET_S


def _timecode_kept(each: Difference) -> bool:
    had = each.source.get("video0.tags.timecode", each.source.get("format.tags.timecode"))
    return had is not None and each.result.get("video0.tags.timecode") == had


def all_match(pattern: str) -> Callable[[Difference], bool]:
    """It fits the pattern before and after."""
    return lambda each: all(re.match(pattern, text or "") for text in (each.before, each.after))


def _one_sided(each: Difference) -> bool:
    return None in (each.before, each.after)


def _file_keeps_it(each: Difference) -> bool:
    return _second(each.result.get("format.tags.creation_time")) == _second(each.before or each.after)


def _file_has_it(each: Difference) -> bool:
    tag = each.field.partition(".tags.")[2]
    ogg = each.source["format.format_name"] == "ogg"
    return ogg and each.after is None and each.result.get(f"format.tags.{tag}") == each.before


def _stream_had_it(each: Difference) -> bool:
    tag = each.field.partition(".tags.")[2]
    ogg = each.source["format.format_name"] == "ogg"
    had = each.source.get(f"video0.tags.{tag}", "")
    return ogg and each.before is None and each.after in (had, f"{had[:-1]}.000000Z")


def _same_second(each: Difference) -> bool:
    return _second(each.before) == _second(each.after)


def _second(time: str | None) -> str:
    return (time or "")[:19]


def _counted(each: Difference) -> bool:
    return each.after == str(len(numbers(each.result["video0.times"])))


def _first_of_wma(each: Difference) -> bool:
    close_enough = abs(numbers(each.before)[0] - numbers(each.after)[0]) < _PACKET_S
    return close_enough and each.source["audio0.codec_name"].startswith("wma")


def _without_index(each: Difference) -> bool:
    return each.source["format.format_name"] in ("avi", "mpegts", "mpeg", "asf")


def _plain_layout(each: Difference) -> bool:
    return {each.before, each.after} in ({None, "mono"}, {None, "stereo"})


def _deep(each: Difference) -> bool:
    """More than 8 bits stay so, in HEVC."""
    source, result = (fields["video0.pix_fmt"] for fields in (each.source, each.result))
    return bool(re.search(r"p1\d(le|be)$", source) and result.endswith("p10le")) and (
        each.result["video0.codec_name"] == "hevc"
    )


def _pcm_in_mp4(each: Difference) -> bool:
    pcm = all("pcm" in fields["audio0.codec_name"] for fields in (each.source, each.result))
    return pcm and each.result["format.format_name"].startswith("mov")


def _main_service(each: Difference) -> bool:
    return {each.before, each.after} <= {"0", "Audio Service Type", None}


_STREAM = r"(video|audio|subtitle|cover|data|attachment)\d+"
_OLD_FILE = (
    r"encoder|duration|handler_name|vendor_id|bps.*|number_of_.*|_statistics.*|major_brand|minor_version|software"
    r"|compatible_brands|wm/\w+|devicemanufacturer|\w+_umid|\w*uid|application_platform|company_name|product_\w+"
    r"|operational_pattern_ul|toolkit_\w+"
)
_CODING = r"profile|level|has_b_frames|refs|is_avc|nal_length_size|extradata_size|coded_\w+|quarter_sample|divx_packed"
_SOUND_CODING = (
    r"codec_(long_)?name|profile|sample_fmt|nb_frames|extradata_size|initial_padding|channel_layout|\w*bits\w*"
)

VIDEO_RULES: tuple[Rule, ...] = (
    # Of the container.
    Rule(r"format\.(filename|size|bit_rate|nb_programs|nb_streams|format_\w+|probe_score)", "another file"),
    Rule(rf"{_STREAM}\.(index|id|ts_\w+|codec_tag\w*|time_base|\w*duration_ts)", "another container"),
    Rule(rf"{_STREAM}\.(nb_frames|max_bit_rate|bits_per_raw_sample|duration)", "said by some containers", _one_sided),
    Rule(r"format\.duration", "nobody knew", was(None)),
    Rule(rf"{_STREAM}\.bit_rate", "packed otherwise"),
    Rule(rf"({_STREAM}|format)\.(start_time|start_pts)", "a file begins at zero; what counts is `start`"),
    Rule(rf"({_STREAM}|format)\.tags\.({_OLD_FILE})", "of the old file or its coding"),
    Rule(rf"{_STREAM}\.tags\.language", "an unknown language", lambda each: {each.before, each.after} <= {"und", None}),
    Rule(rf"{_STREAM}\.tags\.creation_time", "the file's own is kept", _file_keeps_it),
    Rule(rf"{_STREAM}\.tags\.\w+", "the file's, which an Ogg repeats in each stream", _file_has_it),
    Rule(r"format\.tags\.\w+", "an Ogg has them in its streams alone", _stream_had_it),
    Rule(rf"{_STREAM}\.disposition\.default", "mp4 has no such mark: each track is on", became("1")),
    Rule(r"format\.tags\.creation_time", "zeros behind the seconds", _same_second),
    Rule(r"data0", "the titles of chapters are a track in mp4", lambda each: "bin_data" in (each.before, each.after)),
    Rule(r"attachment\d+", "mp4 has none", became(None), "attached file"),
    Rule(r"(data\d+|(video\d+|format)\.tags\.timecode)", "not taken over", became(None), "timecode"),
    Rule(r"(format|video0)\.tags\.timecode", "it is the video's, whoever had it before", _timecode_kept),
    Rule(r"data0", "the timecode is a track in mp4", lambda each: "video0.tags.timecode" in each.result),
    Rule(r"cover0\.tags\.(filename|mimetype)", "an attachment of Matroska has a name and a type", was(None)),
    # Of the picture.
    Rule(r"video0\.(coded_)?(width|height)", "twice the size", _doubled),
    Rule(r"video0\.(sample|display)_aspect_ratio", "square pixels", _same_shape),
    Rule(r"video0\.codec_(long_)?name", "H.264", lambda each: bool(re.match(r"h264|H\.264", each.after or ""))),
    Rule(r"video0\.codec_(long_)?name", "HEVC, which has 10 bits everywhere", _deep),
    Rule(rf"video0\.({_CODING})", "of the new coding"),
    Rule(r"video0\.pix_fmt", "8 bits, 4:2:0", lambda each: each.after == "yuv420p" and not _deep(each)),
    Rule(r"video0\.pix_fmt", "10 bits, 4:2:0", lambda each: each.after == "yuv420p10le" and _deep(each)),
    Rule(r"video0\.bits_per_raw_sample", "8 bits", became("8", None)),
    Rule(r"video0\.color_range", "limited range", became("tv")),
    Rule(
        r"video0\.color_space", "the matrix of high definition: only how colours are coded", became("bt709", "bt2020nc")
    ),
    Rule(r"video0\.color_(transfer|primaries)", "the guess that was made", was(None, "unknown")),
    Rule(r"video0\.chroma_location", "the usual place", became("left")),
    Rule(r"video0\.field_order", "nobody knew", was("unknown", None)),
    Rule(r"video0\.field_order", "HEVC says it of fields alone", lambda each: each.after is None and _deep(each)),
    Rule(r"video0\.field_order", "whole frames", became("progressive"), "interlaced"),
    Rule(r"video0\.(side_data_list\.Display Matrix\..*|tags\.rotate)", "upright now", became(None)),
    Rule(r"video0\.side_data_list\.CPB properties\..*", "of the old coding"),
    Rule(r"video1", "one picture is made", warning="more than one video track"),
    # Of the times.
    Rule(r"video0\.nb_frames", "counted without what is not shown", _counted),
    Rule(r"video0\.times|subtitle\d+\.lines", "rounded to a container's clock", close(_TICK_S)),
    Rule(r"chapter\d+\.(start|end)", "a packet of sound comes before the picture", close(_PACKET_S)),
    Rule(rf"({_STREAM}\.start|audio0\.heard)", "rounded to a container's clock", close(_TICK_S)),
    Rule(r"audio0\.heard", "the last packet is whole", close(_PACKET_S)),
    Rule(r"audio0\.heard", "this decoder knows no times but the first", _first_of_wma),
    Rule(r"(audio0|video0)\.(heard|start)", "AVI has no times but the order of decoding", _reordered),
    Rule(r"video0\.start", "nobody knew, or nobody says it of a single frame", _one_sided),
    Rule(rf"({_STREAM}|format)\.duration", "packets are whole", close(0.07)),
    Rule(r"(audio|video)\d+\.(duration|nb_frames)", "a guess of the reader's", _without_index),
    Rule(r"video0\.(r|avg)_frame_rate", "the mean, the nominal or the finest rate", _near_rate),
    Rule(r"subtitle\d+\.(start|duration)", "a guess of the reader's; what counts is `lines`"),
    # Of the sound.
    Rule(r"audio\d+\.start", "the encoder's silence before the sound is in the track", _priming),
    Rule(rf"audio\d+\.({_SOUND_CODING})", "coded anew", warning="coded anew"),
    Rule(r"audio\d+\.(extradata_size|initial_padding|profile|dmix_mode|l[to]r[to]_\w+)", "said by some containers"),
    Rule(r"audio\d+\.channel_layout", "it follows from the number of channels", _plain_layout),
    Rule(r"audio\d+\.codec_(long_)?name", "mp4 has one name for both", all_match("(?i)MP[23]")),
    Rule(r"audio\d+\.sample_fmt", "of the decoder, not of the file", all_match("fltp|s16p")),
    Rule(r"audio\d+\.(codec_(long_)?name|bits_per_sample|sample_fmt)", "old readers know 16 bits only", _pcm_in_mp4),
    Rule(r"audio\d+\.side_data_list\.Audio Service Type\..*", "the main sound, as it is without it", _main_service),
    # Of the titles.
    Rule(r"subtitle\d+\.(codec_(long_)?name|width|height|extradata_size)", "text as the container holds it"),
)
