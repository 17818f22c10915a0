"""What a user can ask of an upscale, as one table.

The command line, the REST form, the sidecar files and the API document are all made from `PARAMETERS`,
so a parameter is written down once: its name, what it takes, its default and what it means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from seedvr2.coding.tables import AUTO, CONTAINERS, ENCODERS, MOST_CRF, PROFILES, USUAL
from seedvr2.coding.wish import Wish
from seedvr2.errors import OptionError

COLOR_CORRECTIONS = ("lab", "wavelet", "wavelet_adaptive", "hsv", "adain", "none")
OUTPUT_FORMATS = ("auto", "mp4", "mkv", "webm", "mov", "png", "jpg", "webp", "tiff", "gif")
STITCHINGS = ("latent", "batch")
MAX_EDGE = 16384


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: what it takes (`minimum`…`maximum` inclusive, or `choices`), its default, its meaning.

    `off` is a number outside that range that it takes too: it turns the parameter off. `in_frames`: whether finished
    segments of a video are of no use once it has another value; False where it changes no frame and no packet by itself,
    but shows in what a plan says of its encoder, or not at all.
    """

    name: str
    kind: type[int] | type[float] | type[bool] | type[str]
    default: int | float | bool | str
    meaning: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    off: float | None = None
    in_frames: bool = True

    def parse(self, value: Any) -> Any:
        """The value as `kind`, from Python, JSON, TOML or a form field; an empty text means the default.

        Raises:
            OptionError: it is not of that kind or out of range; the message names the field and what it takes.
        """
        if value is None or (isinstance(value, str) and not value.strip()):
            return self.default
        parsed = self._convert(value.strip() if isinstance(value, str) else value)
        if parsed is None or not self._allows(parsed):
            raise OptionError(self.name, f"{self.name} takes {self.takes()}, not {str(value)[:80]!r}.")
        return parsed

    def takes(self) -> str:
        """What the parameter takes, in words: `a whole number from 16 to 16384`."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.kind is bool:
            return "true or false"
        if self.kind is str:
            return "a text"
        noun = "a whole number" if self.kind is int else "a number"
        if self.maximum is None:
            return noun if self.minimum is None else f"{noun} from {self.minimum:g} up"
        text = f"{noun} from {self.minimum or 0:.12g} to {self.maximum:.12g}"
        return text if self.off is None else f"{self.off:g}, or {text}"

    def _convert(self, value: Any) -> Any:
        if self.kind is bool:
            return _BOOLEANS.get(str(value).lower())
        if isinstance(value, bool):
            return None
        if self.kind is str:
            # A file of parameters may hold a name that is a number as one.
            return str(value) if isinstance(value, str | int) else None
        try:
            number = float(value)
            if self.kind is float:
                return number
            # int() of the text keeps all the digits of a large seed, which a float would round.
            return int(value) if not isinstance(value, float) else int(number) if number.is_integer() else None
        except (TypeError, ValueError, OverflowError):
            return None

    def _allows(self, value: Any) -> bool:
        if self.choices:
            return value in self.choices
        if self.kind in (int, float):
            low, high = self.minimum, self.maximum
            return value == self.off or ((low is None or value >= low) and (high is None or value <= high))
        return True


_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True}
_BOOLEANS |= {"false": False, "0": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class UpscaleOptions:
    """The parameters of one upscale. Make it with `UpscaleOptions.parse`, which validates.

    The fields and their meanings are those of `PARAMETERS`.
    """

    resolution: int = 1080
    scale: float = 0.0
    long_edge: int = 0
    max_resolution: int = 0
    fit_width: int = 0
    fit_height: int = 0
    strength: float = 1.0
    softness: float = 0.0
    batch_size: int = 5
    temporal_overlap: int = 0
    prepend_frames: int = 0
    uniform_batch_size: bool = False
    shots: str = "auto"
    stitching: str = "latent"
    seed: int = 42
    color_correction: str = "lab"
    input_noise_scale: float = 0.0
    latent_noise_scale: float = 0.0
    vae_tiling: str = "auto"
    vae_quality: str = "high"
    blocks_to_swap: int = 0
    tf32: bool = False
    output_format: str = "auto"
    profile: str = AUTO
    video_codec: str = AUTO
    encoder: str = AUTO
    crf: float = -1.0
    encoder_preset: str = ""
    deinterlace: str = "auto"

    @property
    def longest_edge(self) -> int:
        """The long edge that the result never exceeds: more than `MAX_EDGE` no codec takes, and few machines hold."""
        asked = self.long_edge if not self.scale else 0
        return min(asked or MAX_EDGE, self.max_resolution or MAX_EDGE)

    @property
    def box(self) -> tuple[int, int]:
        """Width and height that the result never exceeds, as it is displayed."""
        return self.fit_width or MAX_EDGE, self.fit_height or MAX_EDGE

    @property
    def limited(self) -> bool:
        """Whether somebody said how large the result may be at the most."""
        return bool(self.max_resolution or self.fit_width or self.fit_height)

    @property
    def sizing(self) -> str:
        """The parameter that says how large the result is to be: the first of these that is asked for."""
        return "scale" if self.scale else "long_edge" if self.long_edge else "resolution"

    @property
    def asks_for_a_video(self) -> bool:
        """Whether what moves is to be a video, and not an animation."""
        return self.output_format in (AUTO, *USUAL)

    @property
    def wish(self) -> Wish:
        """What is asked of the coding of a video; that of a picture, as of an animation, is none of it."""
        container = self.output_format if self.output_format in USUAL else AUTO
        return Wish(container, self.profile, self.video_codec, self.encoder, self.crf, self.encoder_preset)

    @property
    def size_asked(self) -> str:
        """The same with its value, in words: `scale = 2`, `resolution = 1080`."""
        return f"{self.sizing} = {getattr(self, self.sizing):g}"

    @property
    def instead(self) -> str:
        """What advice to use another `resolution` ends with: ` instead of scale` where that would win otherwise."""
        return f" instead of {self.sizing}" if self.sizing != "resolution" else ""

    def short_edge(self, width: int, height: int) -> int:
        """The short edge in pixels that the result of a source of that size is to have; other limits may lessen it."""
        short, long = sorted((width, height))
        if self.scale:
            return min(round(self.scale * short), MAX_EDGE)
        # Rounded up, as the long edge that follows from it is limited to what was asked for.
        return -(-self.long_edge * short // long) if self.long_edge else self.resolution

    def with_resolution(self, resolution: int) -> UpscaleOptions:
        """The same, with the short edge of the result as the only word on its size; limits stay."""
        return replace(self, resolution=resolution, scale=0.0, long_edge=0)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> UpscaleOptions:
        """Options from a form, a sidecar or keyword arguments; what is absent or empty takes its default.

        Raises:
            OptionError: a name is unknown, a value is not one that it takes, or what is asked of the coding of videos
                does not go together.
        """
        for name in values:
            if name not in BY_NAME:
                raise OptionError(name, f"There is no parameter {name!r}. Known: {', '.join(BY_NAME)}.")
        parsed = {name: BY_NAME[name].parse(value) for name, value in values.items()}
        options = cls(**parsed)
        options.wish.check()
        return options

    def as_dict(self) -> dict[str, int | float | bool | str]:
        """Every parameter by name, ready for JSON."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


_P = Parameter
PARAMETERS: tuple[Parameter, ...] = (
    _P("resolution", int, 1080, "Short edge of the result, in pixels", 16, MAX_EDGE),
    _P("scale", float, 0.0, "Short edge of the result as a multiple of the source's, instead of resolution; 0: off", 1, 64, off=0),
    _P("long_edge", int, 0, "Long edge of the result, in pixels, instead of resolution; 0: off", 16, MAX_EDGE, off=0),
    _P("max_resolution", int, 0, "Long edge of the result never exceeds this, in pixels; 0: 16384, the most there is", 0, MAX_EDGE),
    _P("fit_width", int, 0, "Width that the result never exceeds, in pixels, as it is displayed; 0: off", 16, MAX_EDGE, off=0),
    _P("fit_height", int, 0, "Height that the result never exceeds, in pixels, as it is displayed; 0: off", 16, MAX_EDGE, off=0),
    _P("strength", float, 1.0, "How much of the restoration is taken; 0: the plain resize", 0, 1),
    _P("softness", float, 0.0, "How much softer the model sees the source: 0 as it is, 1 at half its size", 0, 1),
    _P("batch_size", int, 5, "Frames restored together; 4n+1 (1, 5, 9, 13…) wastes no work", 1, 1001),
    _P("temporal_overlap", int, 0, "Frames shared by neighbouring batches and cross-faded", 0, 64),
    _P("prepend_frames", int, 0, "Mirrored frames put before the first one, removed again from the result", 0, 64),
    _P("uniform_batch_size", bool, False, "Pad the last batch to the full batch size"),
    _P("shots", str, "auto", "Restore each shot by itself, so that nothing of one shows in the next", choices=("auto", "off")),
    _P("stitching", str, "latent", "latent: one pass over a shot, no seams between batches; batch: each batch by itself, as the public implementation", choices=STITCHINGS),
    _P("seed", int, 42, "Seed of the noise: the same seed gives the same result", 0, 2**32 - 1),
    _P("color_correction", str, "lab", "How the source's colours are carried over", choices=COLOR_CORRECTIONS),
    _P("input_noise_scale", float, 0.0, "Noise added to the source before encoding", 0, 1),
    _P("latent_noise_scale", float, 0.0, "Noise mixed into the condition latent", 0, 1),
    _P("vae_tiling", str, "auto", "Encode and decode in tiles: less memory, a little slower", choices=("auto", "on", "off")),
    _P("vae_quality", str, "high", "Size of those tiles: larger is truer and needs more memory", choices=("low", "medium", "high")),
    _P("blocks_to_swap", int, 0, "Transformer blocks kept in main memory to save GPU memory", 0, 64, in_frames=False),
    _P("tf32", bool, False, "Let the GPU round float32 products to TF32: faster, slightly less exact"),
    _P("output_format", str, "auto", "auto: mp4 for video (webm or mov where it is transparent, mkv for sound that mp4 lacks, else what the profile needs), png for pictures; animations also as webp, png or gif", choices=OUTPUT_FORMATS, in_frames=False),
    _P("profile", str, AUTO, "What a video is for: web (H.264, 8 bits, plays everywhere), quality (HEVC or AV1, 10 bits), archive (FFV1, lossless), edit (ProRes or DNxHR); auto: web, and quality where the source has more than 8 bits or HDR", choices=(AUTO, *PROFILES), in_frames=False),
    _P("video_codec", str, AUTO, "Codec of a video; auto: that of the profile", choices=(AUTO, *CONTAINERS), in_frames=False),
    _P("encoder", str, AUTO, "Encoder of a video; auto: the codec's in software. Those of NVENC need such a card, or the software's is used with a warning", choices=(AUTO, *ENCODERS), in_frames=False),
    _P("crf", float, -1.0, "Quality of a video where its encoder has a crf: less is better and larger; -1: the encoder's usual one", 0, MOST_CRF, off=-1, in_frames=False),
    _P("encoder_preset", str, "", "The encoder's own name for its speed (x264, x265: fast, slow…; AV1: 0 to 13; NVENC: p1 to p7) or kind (ProRes: lt, hq…; DNxHR: sq, hqx…); empty: its usual one", in_frames=False),
    _P("deinterlace", str, "auto", "off: leave interlaced videos as they are, such as progressive ones marked wrongly", choices=("auto", "off")),
)  # fmt: skip
# Those that say together how a video is coded.
CODING = ("output_format", "profile", "video_codec", "encoder", "crf", "encoder_preset")
BY_NAME: dict[str, Parameter] = {parameter.name: parameter for parameter in PARAMETERS}
