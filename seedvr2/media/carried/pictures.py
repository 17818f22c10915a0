"""What pictures and animations carry beside their pixels, and what becomes of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from seedvr2.media.carried.item import Fate, Item

STILLS = ("png", "jpg", "webp", "tiff")
# GIF is for animations only; a still is never written as one.
FORMATS = (*STILLS, "gif")
_NOWHERE: Mapping[str, Fate] = {}


def _all(fate: Fate) -> dict[str, Fate]:
    return dict.fromkeys(STILLS, fate)


PICTURE_ITEMS: tuple[Item, ...] = (
    Item("icc", "the colour profile (ICC)", _all(Fate.KEPT), "CMYK, Lab and gray pictures are converted through it."),
    Item("exif", "the EXIF data", _all(Fate.ADJUSTED), "Its size and orientation are those of the result."),
    Item("gps", "the place in the EXIF data (GPS)", _all(Fate.KEPT)),
    Item("maker_note", "the maker's notes in the EXIF data", _all(Fate.KEPT), "Byte for byte; some makers' notes "
         "point to places of the original file, which then are others."),
    Item("orientation", "the orientation", _all(Fate.APPLIED) | {"gif": Fate.APPLIED}),
    Item("thumbnail", "the thumbnail", _all(Fate.APPLIED) | {"gif": Fate.APPLIED}, "Left out without a word: it would "
         "show the source."),
    Item("dpi", "the resolution (dots per inch)", _all(Fate.KEPT), "In WebP as EXIF."),
    Item("xmp", "the XMP metadata", _all(Fate.ADJUSTED), "Its size and orientation are those of the result; "
         "references to pictures and videos that are left out are removed."),
    Item("iptc", "the IPTC metadata", {"png": Fate.KEPT, "jpg": Fate.KEPT, "tiff": Fate.KEPT}, "In PNG as the raw "
         "profile that ExifTool and ImageMagick read."),
    Item("path", "the clipping paths (Photoshop)", {"png": Fate.KEPT, "jpg": Fate.KEPT, "tiff": Fate.KEPT}),
    Item("cicp", "the colour description (cICP)", _all(Fate.ADJUSTED) | {"png": Fate.KEPT}, "Of PNG, AVIF and HEIC; "
         "as a colour profile where the format has no place for it."),
    Item("odd_color", "the unusual colour description (cICP)", {"png": Fate.KEPT}, "One that no ordinary profile can "
         "state."),
    Item("hdr", "the HDR brightness curve (PQ or HLG)", {"png": Fate.KEPT}, "With 16 bits, as cICP."),
    Item("light", "the data on the HDR screen (mDCV, cLLI)", {"png": Fate.KEPT}),
    Item("gamma", "the gamma and primaries (gAMA, cHRM)", _all(Fate.ADJUSTED) | {"png": Fate.KEPT}, "As a colour "
         "profile where the format has no place for them."),
    Item("srgb", "the sRGB mark", _all(Fate.APPLIED) | {"png": Fate.KEPT, "gif": Fate.APPLIED}, "Without a profile, "
         "sRGB is meant."),
    Item("text", "the text in the PNG", {"png": Fate.KEPT}),
    Item("comment", "the comment", {"png": Fate.KEPT, "jpg": Fate.KEPT, "gif": Fate.KEPT}),
    Item("long_text", "the text of more than 1 MiB", _NOWHERE, "Other programs would refuse the picture for it."),
    Item("long_icc", "the colour profile of more than 8 MB", _NOWHERE),
    Item("long_segment", "the metadata of more than 64 KiB", _NOWHERE, "EXIF, XMP, IPTC and comments must each fit "
         "into one segment of a JPEG."),
    Item("more_xmp", "the second part of the XMP metadata", _NOWHERE, "Of JPEG; pictures and depth maps, mostly."),
    Item("c2pa", "the C2PA data (Content Credentials)", _NOWHERE, "It signs the original pixels."),
    Item("gain_map", "the gain map (HDR)", _NOWHERE),
    Item("depth_map", "the depth map", _NOWHERE),
    Item("motion_video", "the short video (motion photo)", _NOWHERE),
    Item("more_pictures", "every picture but the first", _NOWHERE),
    Item("pages", "every page but one", _NOWHERE),
    Item("layers", "the layers (Photoshop)", _NOWHERE),
    Item("geotiff", "the place of the pixels on the map (GeoTIFF)", _NOWHERE),
    Item("app_data", "the data of other programs", _NOWHERE),
    Item("trailer", "the data behind the end of the picture", _NOWHERE),
)  # fmt: skip
_WHY = {
    "c2pa": "its signature is valid for the original file only",
    "geotiff": "it is true for pixels of the original size only",
    "long_text": "other programs would refuse the picture for it",
    "long_icc": "other programs would refuse the picture for it",
    "long_segment": "a JPEG has no room for it; choose png or tiff to keep it",
    "gain_map": "only the picture for ordinary screens is upscaled",
    "motion_video": "only the still is upscaled",
    "more_pictures": "one picture is made of a file",
    "pages": "one picture is made of a file",
    "layers": "the picture as a whole is upscaled",
}


def left_out(present: Collection[str], result: str) -> list[str]:
    """The warnings on what of `present`, keys of `PICTURE_ITEMS`, a result of that format is without.

    Args:
        present: keys. result: `png`, `jpg`, `webp`, `tiff`, `gif`; or `mp4`, `mkv`, in which nothing of it goes.
    """
    return [
        item.left_out(result, _WHY.get(item.key) or _advice(item, result))
        for item in PICTURE_ITEMS
        if item.key in present and _fate(item, result) is Fate.TOLD
    ]


def _advice(item: Item, result: str) -> str:
    """Why it is left out, with the formats that would hold it."""
    # Animations are never JPEG or TIFF.
    possible = STILLS if result in STILLS else ("webp", "png")
    better = [name for name in possible if item.fates.get(name) in (Fate.KEPT, Fate.ADJUSTED)]
    reason = f"a {result} file made here does not hold it"
    return f"{reason}; choose output_format = {' or '.join(better)} to keep it" if better else reason


def _fate(item: Item, result: str) -> Fate:
    # What is done to the pixels, or is wanted by nobody, is so in a video as well.
    return Fate.APPLIED if Fate.APPLIED in item.fates.values() and result not in STILLS else item.fate(result)
