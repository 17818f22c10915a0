"""What came of a case file, held against the table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
from PIL import Image

from tests.cases import measure
from tests.cases.table import Case

# One frame of the clips is 0.04 s, and sound begins within an AAC packet of 0.02 s.
_A_FRAME_S = 0.045
_IN_STEP_S = 0.03
_A_TICK_S = 0.0015
_COLOUR = 12


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a file: its result and the warnings, or the error."""

    result: Path | None
    warnings: tuple[str, ...] = ()
    error: str = ""


def problems(case: Case, wanted: str, outcome: Outcome) -> list[str]:
    """Everything in which an outcome is not the right one; `wanted` is the format asked for."""
    said = [*outcome.warnings, outcome.error]
    found = [f"it says {text!r}" for text in case.unsaid if _is_in(text, said)]
    if outcome.result is None:
        if not case.refusal:
            return [*found, f"it failed: {outcome.error}"]
        return found + [f"{part!r} is not in {outcome.error!r}" for part in case.refusal if not _is_in(part, said)]
    if case.suffix is None:
        return [*found, f"it was not refused, but became {outcome.result.name}"]
    suffix = case.suffix if wanted == "auto" else f".{wanted}"
    if outcome.result.suffix != suffix:
        found.append(f"the result is {outcome.result.suffix}, not {suffix}")
    found += [f"no warning says {text!r}: {list(outcome.warnings)}" for text in case.warned if not _is_in(text, said)]
    found += (_video if outcome.result.suffix in (".mp4", ".mkv") else _picture)(case, outcome.result)
    facts = (*case.facts, *case.facts_in.get(wanted, ()))
    found += filter(None, (fact.problem(outcome.result, outcome.warnings) for fact in facts))
    return found


def _picture(case: Case, result: Path) -> list[str]:
    with Image.open(result) as image:
        image.load()
        return [f"the size is {image.size}, not {case.size}"] if case.size not in (None, image.size) else []


def _video(case: Case, result: Path) -> Iterator[str]:
    seen = measure.frames(result)
    times = [frame.time for frame in seen]
    yield from _differs("frames", case.frames, len(seen), 0)
    if case.times:
        yield from _all_differ("times", case.times, times, _A_TICK_S)
    if case.colours:
        for wanted, frame in zip(case.colours, seen, strict=False):
            yield from _all_differ("colour", wanted, frame.colour, _COLOUR)
    yield from _streams(case, result)
    if case.flashes is not None:
        yield from _all_differ("flashes", case.flashes, flashes := measure.flashes(result), _A_FRAME_S)
        if case.beeps is not None:
            yield from _all_differ("beeps", case.beeps, beeps := measure.beeps(result), _A_FRAME_S)
            yield from _all_differ("beeps beside flashes", flashes, beeps, _IN_STEP_S)
    if measure.has("ffprobe"):
        # Two readers, and two versions of the libraries: what only one of them sees is not in the file.
        yield from _all_differ("times by ffprobe", times, measure.ffprobe_times(result), _A_TICK_S)


def _streams(case: Case, result: Path) -> Iterator[str]:
    with av.open(str(result)) as container:
        video = container.streams.video[0]
        if case.size and (video.width, video.height) != case.size:
            yield f"the size is {(video.width, video.height)}, not {case.size}"
        rate = float(video.average_rate or 0)
        if case.rate and not case.rate[0] <= rate <= case.rate[1]:
            yield f"the rate is {rate}"
        audio = tuple(stream.codec_context.codec.canonical_name for stream in container.streams.audio)
        if case.audio is not None and audio != case.audio:
            yield f"the sound is {audio}, not {case.audio}"
        # The configuration record's fourth byte, AVCLevelIndication.
        level = (video.codec_context.extradata or bytes(4))[3]
        if case.level is not None and not 0 < level <= case.level:
            yield f"the level is {level / 10}"
    if case.duration is not None:
        last, first = measure.frames(result)[-1], measure.frames(result)[0]
        yield from _differs("seconds", case.duration, last.time - first.time, 2 * _A_FRAME_S)


def _differs(what: str, wanted: float | None, got: float, within: float) -> Iterator[str]:
    if wanted is not None and abs(wanted - got) > within:
        yield f"{what}: {got} instead of {wanted}"


def _all_differ(what: str, wanted: Sequence[float], got: Sequence[float], within: float) -> Iterator[str]:
    if len(wanted) != len(got) or any(abs(a - b) > within for a, b in zip(wanted, got, strict=True)):
        yield f"{what}: {[round(each, 3) for each in got]} instead of {[round(each, 3) for each in wanted]}"


def _is_in(pattern: str, sentences: Sequence[str]) -> bool:
    return any(re.search(pattern, sentence) for sentence in sentences)
