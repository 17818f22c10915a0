"""How the words on the coding of videos go together, and what is said where they do not."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from seedvr2.coding.tables import AUTO, CONTAINERS, ENCODERS, PROFILES, encoder_for
from seedvr2.coding.wish import Wish
from seedvr2.errors import OptionError
from seedvr2.options import UpscaleOptions

PLAIN = ("mp4", "mkv", "webm", "mov")
LOUD = ("mkv", "mp4", "webm", "mov")
GLASS = ("mov", "mp4", "mkv", "webm")
CLEAR_WEB = ("webm", "mp4", "mkv", "mov")


def made(formats: tuple[str, ...] = PLAIN, *, deep: bool = False, **words: Any) -> tuple[str, str, str]:
    wish = UpscaleOptions.parse(words).wish
    container = wish.container_for(formats)
    codec = wish.codec_in(container, deep=deep, transparent=formats[0] in ("mov", "webm"))
    return container, codec, wish.encoder_of(codec)


@pytest.mark.parametrize(
    ("formats", "deep", "words", "expected"),
    [
        (PLAIN, False, {}, ("mp4", "h264")),
        (PLAIN, True, {}, ("mp4", "hevc")),
        (LOUD, True, {}, ("mkv", "hevc")),
        (GLASS, True, {}, ("mov", "prores")),
        (CLEAR_WEB, False, {}, ("webm", "vp9")),
        (CLEAR_WEB, True, {"output_format": "webm"}, ("webm", "vp9")),
        (PLAIN, True, {"output_format": "webm"}, ("webm", "av1")),
        (GLASS, False, {"output_format": "mkv"}, ("mkv", "h264")),
        (PLAIN, True, {"profile": "web"}, ("mp4", "h264")),
        (LOUD, False, {"profile": "web"}, ("mkv", "h264")),
        (GLASS, False, {"profile": "web"}, ("webm", "vp9")),
        (PLAIN, False, {"profile": "web", "output_format": "webm"}, ("webm", "vp9")),
        (PLAIN, False, {"profile": "quality"}, ("mp4", "hevc")),
        (GLASS, False, {"profile": "quality"}, ("mp4", "hevc")),
        (PLAIN, False, {"profile": "quality", "output_format": "webm"}, ("webm", "av1")),
        (PLAIN, False, {"profile": "quality", "video_codec": "av1"}, ("mp4", "av1")),
        (LOUD, False, {"profile": "quality", "video_codec": "av1"}, ("mkv", "av1")),
        (PLAIN, False, {"profile": "archive"}, ("mkv", "ffv1")),
        (GLASS, True, {"profile": "edit"}, ("mov", "prores")),
        (LOUD, True, {"profile": "edit", "output_format": "mkv"}, ("mkv", "prores")),
        (PLAIN, True, {"profile": "edit", "video_codec": "dnxhr"}, ("mov", "dnxhr")),
        (PLAIN, True, {"encoder": "dnxhd"}, ("mov", "dnxhr")),
        (PLAIN, True, {"video_codec": "h264"}, ("mp4", "h264")),
        (PLAIN, False, {"video_codec": "hevc", "output_format": "mov"}, ("mov", "hevc")),
        (GLASS, False, {"video_codec": "vp9", "output_format": "mkv"}, ("mkv", "vp9")),
        (PLAIN, False, {"output_format": "webp", "profile": "archive"}, ("mkv", "ffv1")),
    ],
)
def test_words_and_source_give_a_container_and_a_codec(
    formats: tuple[str, ...], deep: bool, words: dict[str, Any], expected: tuple[str, str]
) -> None:
    container, codec, encoder = made(formats, deep=deep, **words)
    assert (container, codec) == expected
    assert encoder == words.get("encoder", encoder_for(codec))


@pytest.mark.parametrize(
    ("words", "name", "said"),
    [
        (
            {"profile": "web", "video_codec": "prores"},
            "video_codec",
            "profile = web is H.264 or VP9, and video_codec = prores makes ProRes; leave one of them at auto, or use "
            "profile = edit.",
        ),
        (
            {"profile": "archive", "output_format": "mp4"},
            "output_format",
            "profile = archive makes FFV1, which output_format = mp4 does not hold; use output_format = auto or mkv, "
            "or leave profile at auto.",
        ),
        (
            {"video_codec": "h264", "encoder": "libx265"},
            "encoder",
            "encoder = libx265 makes HEVC, and video_codec = h264 asks for H.264; leave one of them at auto, or use "
            "encoder = libx264, h264_nvenc.",
        ),
        (
            {"profile": "edit", "encoder": "libx264"},
            "encoder",
            "profile = edit is ProRes or DNxHR, and encoder = libx264",
        ),
        (
            {"output_format": "webm", "video_codec": "h264"},
            "output_format",
            "use output_format = auto or mp4 or mkv or mov",
        ),
        ({"profile": "archive", "crf": 20}, "crf", "ffv1, which makes FFV1, has no crf, as it is without loss"),
        ({"profile": "edit", "crf": 20}, "crf", "has no crf, as encoder_preset sets its quality"),
        ({"profile": "archive", "encoder_preset": "slow"}, "encoder_preset", "has none; leave encoder_preset empty"),
        ({"video_codec": "hevc", "crf": 52}, "crf", "libx265, which makes HEVC, takes a number from 0 to 51"),
        ({"video_codec": "av1", "crf": 20.5}, "crf", "libsvtav1, which makes AV1, takes a whole number from 1 to 63"),
        ({"video_codec": "hevc", "encoder_preset": "slwo"}, "encoder_preset", "Did you mean 'slow'?"),
        ({"encoder": "hevc_nvenc", "encoder_preset": "p8"}, "encoder_preset", "takes one of p5, p1, p2"),
        ({"encoder": "prores_ks", "encoder_preset": "HQ"}, "encoder_preset", "Did you mean 'hq'?"),
        ({"encoder_preset": "quick"}, "encoder_preset", "encoder_preset = quick cannot be used"),
        ({"crf": 64}, "crf", "crf takes -1, or a number from 0 to 63"),
    ],
)
def test_what_cannot_be_is_refused_with_a_way_out(words: dict[str, Any], name: str, said: str) -> None:
    with pytest.raises(OptionError) as caught:
        UpscaleOptions.parse(words)
    assert caught.value.name == name
    assert said in str(caught.value)


def all_wishes() -> list[Wish]:
    containers, profiles = (AUTO, "mp4", "mkv", "webm", "mov"), (AUTO, *PROFILES)
    parts = itertools.product(containers, profiles, (AUTO, *CONTAINERS), (AUTO, *ENCODERS))
    return [Wish(*words) for words in parts]


def test_every_wish_is_refused_or_met_to_the_word() -> None:
    met = 0
    for wish in all_wishes():
        try:
            wish.check()
        except OptionError:
            continue
        met += 1
        for formats, deep in itertools.product((PLAIN, LOUD, GLASS, CLEAR_WEB), (False, True)):
            container = wish.container_for(formats)
            codec = wish.codec_in(container, deep=deep, transparent=formats in (GLASS, CLEAR_WEB))
            assert container in CONTAINERS[codec]
            assert wish.container in (AUTO, container) and wish.codec in (AUTO, codec)
            assert wish.profile == AUTO or codec in PROFILES[wish.profile]
            assert ENCODERS[wish.encoder_of(codec)].codec == codec
    assert met > 60


def is_met(wish: Wish) -> bool:
    try:
        wish.check()
    except OptionError:
        return False
    return True


def test_advice_can_be_followed() -> None:
    """With what it says is to be left, the rest goes with the profile."""
    words = {"output_format": "container", "video_codec": "codec", "encoder": "encoder"}
    for wish, profile in itertools.product(filter(is_met, all_wishes()), PROFILES):
        advice = wish.advice(profile)
        assert advice.startswith(f"choose profile = {profile}")
        left = {field: AUTO for name, field in words.items() if name in advice}
        assert is_met(replace(wish, profile=profile, **left)), (wish, advice)


def test_settings_of_a_source_that_another_encoder_codes_are_told_of() -> None:
    wish = UpscaleOptions.parse({"crf": 23, "encoder_preset": "slow"}).wish
    assert wish.settings_for("libx265") == (23, "slow", [])
    crf, preset, told = wish.settings_for("prores_ks")
    assert (crf, preset) == (-1, "")
    assert [sentence.partition(" was not used")[0] for sentence in told] == ["crf = 23", "encoder_preset = slow"]
    assert Wish().settings_for("libx264") == (18, "", [])


def test_a_preset_that_is_a_number_may_be_written_as_one() -> None:
    assert UpscaleOptions.parse({"video_codec": "av1", "encoder_preset": 6}).encoder_preset == "6"
