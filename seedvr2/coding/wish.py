"""What was asked of the coding of a video, and what follows from it: a container, a codec, an encoder.

One rule: every word that was said must hold. `encoder` and `video_codec` say the codec, `output_format` the container,
`profile` which codecs may be; what is left open is chosen by the source. Words that cannot all hold are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from seedvr2.coding.tables import (
    AUTO,
    CLEAR,
    CONTAINERS,
    ENCODERS,
    NAMES,
    PROFILES,
    USUAL,
    EncoderFacts,
    encoder_for,
)
from seedvr2.errors import OptionError

# By the first of a source's formats: one that is transparent has such a one.
_TRANSPARENT = ("webm", "mov")

# How each word is taken back.
_UNSAID = {
    "container": "output_format at auto",
    "codec": "video_codec at auto",
    "encoder": "encoder at auto",
    "crf": "crf at -1",
    "preset": "encoder_preset empty",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """The words on coding, as in the table of options.

    `container` is that of `output_format`, or `auto`; `crf` is negative, and `preset` empty, where nothing was said.
    """

    container: str = AUTO
    profile: str = AUTO
    codec: str = AUTO
    encoder: str = AUTO
    crf: float = -1
    preset: str = ""

    def check(self) -> None:
        """Raise OptionError where the words do not go together, or an encoder does not know one of them."""
        if not self._codecs():
            raise OptionError(*self._contradiction())
        if not self._pairs():
            raise OptionError(*self._no_container())
        encoders = {self.encoder_of(codec) for codec in self._outcomes()}
        faults = [fault for name in sorted(encoders) if (fault := self._unknown_to(name))]
        # Where the source decides, one that takes them is enough.
        if faults and len(faults) == len(encoders):
            raise OptionError(*faults[0])

    def advice(self, profile: str) -> str:
        """To choose a profile, with which of the present words have to go for it."""
        leave = [how for field, how in _UNSAID.items() if not self._goes_with(profile, field)]
        return f"choose profile = {profile}" + (f" and leave {', '.join(leave)}" if leave else "")

    def container_for(self, formats: Sequence[str]) -> str:
        """The container for a source with those formats, the first of which is what it gets by itself.

        Raises:
            OptionError: there is none; `check` has told of it.
        """
        self.check()
        return self._container_among(formats)

    def codec_in(self, container: str, *, deep: bool, transparent: bool) -> str:
        """The codec in a container that `container_for` gave. `deep`: the source has more than 8 bits."""
        if self.is_open:
            # WebM keeps either transparency or more than 8 bits here.
            return USUAL[container][deep and not (transparent and container == "webm")]
        fitting = [codec for codec in self._codecs() if container in CONTAINERS[codec]]
        return next((codec for codec in fitting if transparent and codec in CLEAR), fitting[0])

    def encoder_of(self, codec: str) -> str:
        """The encoder of that codec, by FFmpeg's name."""
        return self.encoder if self.encoder != AUTO else encoder_for(codec)

    def settings_for(self, encoder: str) -> tuple[float, str, list[str]]:
        """`crf` and preset for an encoder, and sentences on those that were asked for but are not known to it."""
        facts, told = ENCODERS[encoder], []
        crf, preset = self.crf, self.preset
        if (fault := _crf_fault(encoder, facts, crf)) is not None:
            told.append(f"crf = {crf:g} was not used: {fault}")
            crf = -1
        if (fault := _preset_fault(encoder, facts, preset)) is not None:
            told.append(f"encoder_preset = {preset} was not used: {fault}")
            preset = ""
        usual = facts.crf[1] if facts.crf else -1
        return (crf if crf >= 0 else usual), preset, told

    @property
    def is_open(self) -> bool:
        """Whether the source alone decides about the codec within a container."""
        return self.profile == self.codec == self.encoder == AUTO

    def _goes_with(self, profile: str, field: str) -> bool:
        try:
            Wish(**{"profile": profile, field: getattr(self, field)}).check()
        except OptionError:
            return False
        return True

    def _codecs(self) -> list[str]:
        codecs = PROFILES[self.profile] if self.profile != AUTO else tuple(CONTAINERS)
        said = {self.codec, ENCODERS[self.encoder].codec if self.encoder != AUTO else AUTO} - {AUTO}
        return [codec for codec in codecs if said <= {codec}]

    def _pairs(self) -> list[tuple[str, str]]:
        return [
            (codec, container)
            for codec in self._codecs()
            for container in CONTAINERS[codec]
            if self.container in (AUTO, container)
        ]

    def _outcomes(self) -> Iterator[str]:
        """The codecs that sources of all kinds would get."""
        for first in ("mp4", *_TRANSPARENT):
            container, transparent = self._container_among((first, "mp4")), first in _TRANSPARENT
            for deep in (False, True):
                yield self.codec_in(container, deep=deep, transparent=transparent)

    def _container_among(self, formats: Sequence[str]) -> str:
        if self.container != AUTO:
            return self.container
        if self.is_open:
            return formats[0]
        pairs = self._pairs()
        if formats[0] in _TRANSPARENT:
            pairs = [pair for pair in pairs if pair[0] in CLEAR] or pairs
        container = pairs[0][1]
        if container == "mp4" and (pairs[0][0], "mkv") in pairs and _before("mkv", "mp4", formats):
            return "mkv"  # for the sound
        return container

    def _contradiction(self) -> tuple[str, str]:
        """The parameter and a sentence, where no codec is all that was said."""
        made = ENCODERS[self.encoder].codec if self.encoder != AUTO else AUTO
        if made != AUTO and self.codec not in (AUTO, made):
            others = ", ".join(name for name, facts in ENCODERS.items() if facts.codec == self.codec)
            return "encoder", (
                f"encoder = {self.encoder} makes {NAMES[made]}, and video_codec = {self.codec} asks for "
                f"{NAMES[self.codec]}; leave one of them at auto, or use encoder = {others}."
            )
        name, said, codec = ("encoder", self.encoder, made) if made != AUTO else ("video_codec", self.codec, self.codec)
        profile = next(profile for profile, codecs in PROFILES.items() if codec in codecs)
        made_of = " or ".join(NAMES[each] for each in PROFILES[self.profile])
        return name, (
            f"profile = {self.profile} is {made_of}, and {name} = {said} makes {NAMES[codec]}; leave one of them at "
            f"auto, or use profile = {profile}."
        )

    def _no_container(self) -> tuple[str, str]:
        codecs = self._codecs()
        fitting = dict.fromkeys(container for codec in codecs for container in CONTAINERS[codec])
        said = [
            f"{name} = {value}"
            for name, value in (("profile", self.profile), ("video_codec", self.codec), ("encoder", self.encoder))
            if value != AUTO
        ]
        made = " or ".join(NAMES[codec] for codec in codecs)
        return "output_format", (
            f"{' with '.join(said)} makes {made}, which output_format = {self.container} does not hold; use "
            f"output_format = auto or {' or '.join(fitting)}, or leave {said[-1].partition(' ')[0]} at auto."
        )

    def _unknown_to(self, encoder: str) -> tuple[str, str] | None:
        """The parameter and a sentence on what an encoder does not know."""
        facts = ENCODERS[encoder]
        if (fault := _crf_fault(encoder, facts, self.crf)) is not None:
            return "crf", f"crf = {self.crf:g} cannot be used: {fault}"
        if (fault := _preset_fault(encoder, facts, self.preset)) is not None:
            return "encoder_preset", f"encoder_preset = {self.preset[:80]} cannot be used: {fault}"
        return None


def _before(one: str, other: str, formats: Sequence[str]) -> bool:
    names = [*formats, one, other]
    return names.index(one) < names.index(other)


def _crf_fault(encoder: str, facts: EncoderFacts, crf: float) -> str | None:
    """Why an encoder cannot use it; None if it can."""
    if crf < 0:
        return None
    if not facts.crf:
        how = "encoder_preset sets its quality" if facts.presets else "it is without loss"
        return f"{encoder}, which makes {NAMES[facts.codec]}, has no crf, as {how}; leave crf at -1."
    least, _, most = facts.crf
    if not least <= crf <= most or (facts.whole and crf != int(crf)):
        noun = "a whole number" if facts.whole else "a number"
        return f"{encoder}, which makes {NAMES[facts.codec]}, takes {noun} from {least} to {most}."
    return None


def _preset_fault(encoder: str, facts: EncoderFacts, preset: str) -> str | None:
    """Why an encoder cannot use it; None if it can."""
    if not preset or preset in facts.presets:
        return None
    if not facts.presets:
        return f"{encoder}, which makes {NAMES[facts.codec]}, has none; leave encoder_preset empty."
    near = get_close_matches(preset.lower(), facts.presets, n=1, cutoff=0.5)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    return f"{encoder}, which makes {NAMES[facts.codec]}, takes one of {', '.join(facts.presets)}.{meant}"
