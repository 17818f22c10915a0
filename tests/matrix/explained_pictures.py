"""Why a field of a picture may differ from its source's."""

from __future__ import annotations

import re

from tests.matrix.explained import Rule, became, was
from tests.matrix.readings import Difference

_UPRIGHT = "Horizontal (normal)"
# How pixels are stored, by the group of the format.
_STORAGE = (
    r"PNG:(Image(Width|Height)|BitDepth|ColorType|Compression|Filter|Interlace|Palette|Transparency|ProfileName)"
    r"|PNG-pHYs:.*|JFIF:.*|RIFF:(?!.*(EXIF|XMP)).*|Adobe:.*|Jpeg2000:.*|Meta:.*|QuickTime:.*"
    r"|GIF:(?!Comment).*|ICC_Profile.*:(?!ProfileDescription).*"
    r"|(IFD0|IFD1|SubIFD):(Image(Width|Height)|BitsPerSample|Compression|PhotometricInterpretation|StripOffsets"
    r"|SamplesPerPixel|RowsPerStrip|StripByteCounts|PlanarConfiguration|Predictor|ExtraSamples|SampleFormat"
    r"|YCbCrPositioning|YCbCrSubSampling|NewSubfileType|SubfileType|FillOrder|T4Options|T6Options|PageNumber"
    r"|[XY]Resolution|ResolutionUnit|ThumbnailOffset|ThumbnailLength|ColorMap|ReferenceBlackWhite|TransferFunction)"
)


def _same_in(group: str, other: str) -> Rule:
    """A text that is in another place now, where this format has it."""

    def moved(each: Difference) -> bool:
        texts = each.result if each.after is None else each.source
        wanted = each.before if each.after is None else each.after
        return any(re.fullmatch(other, key) and value == wanted for key, value in texts.items())

    return Rule(group, "in another place", moved)


def _as_in_iptc(each: Difference) -> bool:
    other = each.result.get(each.field.replace("IPTC2", "IPTC"))
    return each.after == other or each.field.endswith("ApplicationRecordVersion")


PICTURE_RULES: tuple[Rule, ...] = (
    Rule(_STORAGE, "of the storage"),
    Rule(r"IFD0:Orientation", "upright", became(None, _UPRIGHT)),
    Rule(r"(ExifIFD|IFD0):(ExifImageWidth|ExifImageHeight)", "the new size"),
    Rule(r"ExifIFD:(ExifVersion|ComponentsConfiguration|FlashpixVersion|ColorSpace)", "said by some formats alone"),
    Rule(
        r"IFD0:ExifByteOrder|GPS:GPSVersionID|XMP-x:XMPToolkit|IPTC:ApplicationRecordVersion|Photoshop:.*",
        "of the coding",
    ),
    Rule(r"IPTC2:.*", "where Photoshop looks for it, as well as where the standard has it", _as_in_iptc),
    Rule(
        r"(PNG|File):Comment", "exiftool shows no comments of JPEG 2000", lambda each: "OpenJPEG" in (each.after or "")
    ),
    Rule(r"Resolution", "a format without resolutions", became(None), r"resolution|dpi"),
    Rule(r"Resolution", "what is meant without one", was(None)),
    _same_in(r"PNG:.*|File:Comment|GIF:Comment", r"(PNG|IFD0|ExifIFD|XMP-\w+|File|GIF):.*"),
    Rule(r"XMP-.*", "not taken over", became(None), r"\bXMP\b"),
    Rule(r"IPTC:.*", "not taken over", became(None), r"\bIPTC\b"),
    Rule(r"(ExifIFD|IFD0|GPS|InteropIFD):.*", "not taken over", became(None), r"\bEXIF\b"),
    Rule(r"PNG:.*", "not taken over", became(None), r"\btexts?\b"),
    Rule(r"GIF:Comment|File:Comment", "not taken over", became(None), r"\bcomments?\b"),
    Rule(r"ICC.*", "not taken over", became(None), r"profile"),
)
