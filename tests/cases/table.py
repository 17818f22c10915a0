"""The case files of `tests/fixtures/cases`, and the right outcome of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.cases.facts import Fact, first_frame, inside, probed, tagged

FOLDER = Path(__file__).parents[1] / "fixtures" / "cases"
# Short edge of the results: small enough to be quick, large enough to tell white from black.
SHORT_EDGE = 32
RED, GREEN, BLUE = (255, 0, 0), (0, 128, 0), (0, 0, 255)
NTSC = 30000 / 1001
_NOT_DAMAGED = ("damaged", "cut off")


@dataclass(frozen=True, slots=True)
class Case:
    """A file, and what must become of it. What is left at its default is not asked for.

    Attributes:
        name: of the file.
        suffix: of the result where the format is `auto`; None if the file must be refused.
        refusal: regular expressions that must be in the sentence which refuses it; with a suffix it may be refused so.
        formats: what is asked for, one run each.
        size: width and height of the result.
        frames: how many. duration: seconds from the first frame to the end of the last. rate: least and most a second.
        times: seconds of the frames. level: of H.264, at most. flashes, beeps: seconds, of all there are.
        colours: mean of each frame, RGB of 0…255.
        audio: the codecs of the sound, in their order.
        facts: what must have been kept, or said to be lost. facts_in: the same, for one format asked for.
        warned: regular expressions, each of which must be in a warning. unsaid: what may be in none, nor in an error.
    """

    name: str
    suffix: str | None = ".mp4"
    refusal: tuple[str, ...] = ()
    formats: tuple[str, ...] = ("auto",)
    size: tuple[int, int] | None = None
    frames: int | None = None
    duration: float | None = None
    rate: tuple[float, float] | None = None
    times: tuple[float, ...] = ()
    level: int | None = None
    flashes: tuple[float, ...] | None = None
    beeps: tuple[float, ...] | None = None
    colours: tuple[tuple[int, int, int], ...] = ()
    audio: tuple[str, ...] | None = None
    facts: tuple[Fact, ...] = ()
    facts_in: Mapping[str, tuple[Fact, ...]] = field(default_factory=dict)
    warned: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Where the file is."""
        return FOLDER / self.name


def _refused(name: str, *sentence: str, unsaid: tuple[str, ...] = ()) -> Case:
    return Case(name, None, refusal=sentence, unsaid=unsaid)


# Seconds at which the source shows its frames: a camera's 30 a second, on a clock of milliseconds.
_RECORDED_MS = (
    *(7, 47, 76, 116, 145, 174, 214, 243, 272, 312, 341, 370, 410, 439, 479),
    *(508, 537, 577, 606, 635, 675, 704, 733, 773, 802, 842, 871, 900, 940, 969),
)
_SHAPES = "shape|aspect"

CASES: tuple[Case, ...] = (
    Case("01_ts_clock_jumps_ahead.ts", frames=50, duration=2.0, flashes=(0.44, 1.44), beeps=(0.44, 1.44)),
    Case("02_ts_clock_reset_uneven.ts", frames=50, flashes=(0.44, 2.04), beeps=(0.44, 2.04)),
    Case("03b_avi_h264_bframes.avi", frames=30, flashes=(0.62,), beeps=(0.62,), unsaid=_NOT_DAMAGED),
    Case("03c_avi_start_20.avi", frames=25, flashes=(1.24,), beeps=(1.22,), unsaid=_NOT_DAMAGED),
    Case(
        "04_mediarecorder.webm",
        frames=30,
        times=tuple(each / 1000 for each in _RECORDED_MS),
        rate=(28, 33),
        level=11,
        audio=("opus",),
        unsaid=_NOT_DAMAGED,
    ),
    Case(
        "05_png_long_text.png",
        ".png",
        size=(48, 32),
        facts=(inside("the XMP text", "XML:com\\.adobe\\.xmp", "XMP|text"),),
        unsaid=_NOT_DAMAGED,
    ),
    _refused("06_raw.dng", "(?i)camera raw", "(?i)develop"),
    Case(
        "10_xmp_iptc.jpg",
        ".png",
        formats=("auto", "jpg", "webp", "tiff"),
        # It lies on its side.
        size=(32, 48),
        facts=(
            inside("the XMP rating", 'Rating(>|=")5', "XMP"),
            inside("the XMP keyword", "li>family<", "XMP"),
            tagged("the rating, for a reader", "XMP-xmp:Rating=5", "XMP"),
            tagged("the keywords, for a reader", "XMP-dc:Subject=.*family.*1987", "XMP"),
            tagged("the IPTC caption", "IPTC:Caption-Abstract=Summer 1987", "IPTC"),
            tagged("the IPTC keyword", "IPTC:Keywords=.*grandmother", "IPTC"),
            tagged("the EXIF description", "IFD0:ImageDescription=caption in exif", "EXIF"),
            inside("the EXIF description, as bytes", "caption in exif", "EXIF"),
        ),
    ),
    Case(
        "11_phone_keys.mov",
        formats=("auto", "mkv"),
        frames=10,
        audio=("aac",),
        facts=(
            probed("the place", r"^format\.tags\.(?i:[\w.]*location[\w.]*)=\+10\.5000?\+0?20\.25"),
            probed("the local date", r"^format\.tags\.[^=]*=2024-05-06T07:08:09\+02:?00"),
            probed("the make", r"^format\.tags\.(?i:[\w.]*make)=Apple"),
            probed("the model", r"^format\.tags\.(?i:[\w.]*model)=Phone 1"),
        ),
    ),
    Case(
        "12_spherical.mp4",
        formats=("auto", "mkv"),
        frames=10,
        facts=(
            probed("the sphere", "projection=equirectangular", "360|spherical|equirectangular"),
            probed("the stereo view", "type=top and bottom|stereo_mode=top_bottom", "stereo"),
        ),
    ),
    # The container cuts 8 rows off above and below: 96 x 48 are shown.
    Case(
        "13_mkv_pixel_crop.mkv",
        frames=10,
        facts=(probed("the crop", r"^streams\.0\.width=64$", "crop"),),
    ),
    _refused("14c_jpeg_cut_at_60_percent.jpg", "cut off", "again"),
    Case(
        "15_timecode.mov",
        formats=("auto", "mkv"),
        frames=10,
        audio=("aac",),
        facts=(probed("the timecode", r"(?i)timecode=10:20:30:05", "timecode"),),
    ),
    Case(
        "17_apac.mp4",
        frames=10,
        audio=("aac",),
        warned=("left out",),
        # Nothing else holds that track either.
        unsaid=("mkv", "matroska", "choose"),
    ),
    Case("19b_png_cicp_p3.png", ".png", size=(48, 32), facts=(inside("cICP", "\0\0\0\x04cICP\x0c\x0d\0\x01", ""),)),
    Case(
        "20_captions.m2v",
        formats=("auto", "mkv"),
        frames=12,
        rate=(NTSC - 0.1, NTSC + 0.1),
        facts=(first_frame("closed captions", "ATSC A53", "caption"),),
    ),
    Case(
        "21_ts_new_pids.ts",
        facts=(probed("the second part", r"^streams\.0\.nb_frames=50$", r"\b(part|rest)\b.*left out"),),
        audio=("aac",),
    ),
    Case("22_ts_aspect_changes.ts", frames=30, warned=(_SHAPES,)),
    Case("24_dolby_vision_5.mp4", frames=10, refusal=("Dolby Vision",), warned=("Dolby Vision",)),
    Case("25_trimmed_edit_list.mp4", frames=27, flashes=(0.4,), beeps=(0.4,), unsaid=_NOT_DAMAGED),
    Case("27_apng_default_image.png", size=(48, 32), frames=3, colours=(RED, GREEN, BLUE)),
    # As wide as results can be, or a sentence on what there is no room for.
    Case("29_5000x2.png", ".png", size=(16384, 6), refusal=("memory|pixels",)),
    _refused("30_layers.psd", "(?i)not supported|cannot be read", "PNG", unsaid=_NOT_DAMAGED),
    _refused("30_photo.jxl", "(?i)not supported|cannot be read", "PNG", unsaid=_NOT_DAMAGED),
    Case("33_motion_photo.jpg", ".png", size=(48, 32), warned=("(?i)video",)),
    Case("36_ts_wrap.ts", frames=50, duration=2.0, flashes=(1.62,), beeps=(1.62,), unsaid=_NOT_DAMAGED),
    # Left to itself, the service always makes mp4, and the command line what holds the sound as it is.
    Case("40_ntsc.dv", formats=("mkv", "mp4"), frames=2, rate=(NTSC - 0.01, NTSC + 0.01), level=10),
    Case(
        "42_hdr10.mp4",
        formats=("auto", "mkv"),
        frames=10,
        facts=(
            first_frame("the mastering display", "max_luminance=10000000/10000", "mastering"),
            first_frame("the colours' meaning", "color_transfer=smpte2084"),
        ),
    ),
    Case(
        "46_ass_font_chapters.mkv",
        formats=("auto", "mkv"),
        frames=10,
        facts=(
            probed("the first chapter", r"^chapters\.0\.tags\.title=One"),
            probed("the second chapter", r"^chapters\.1\.tags\.title=Two"),
            probed("the font", r"tags\.filename=fake\.ttf", "fake.ttf"),
        ),
        facts_in={
            "auto": (probed("the subtitles", r"codec_name=(mov_text|ass)"),),
            "mkv": (probed("the subtitles", r"codec_name=ass"), probed("the font", r"tags\.filename=fake\.ttf")),
        },
    ),
    Case("54_clip.wmv", formats=("mkv",), frames=10, audio=("wmav2",), unsaid=("coded anew",)),
)

# One job each: the file, and the format asked for.
RUNS = tuple((case, wanted) for case in CASES for wanted in case.formats)
