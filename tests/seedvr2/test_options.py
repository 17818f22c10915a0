"""The one table of parameters."""

from __future__ import annotations

import pytest

from seedvr2.errors import OptionError
from seedvr2.options import BY_NAME, PARAMETERS, UpscaleOptions


def test_the_dataclass_and_the_table_say_the_same() -> None:
    assert UpscaleOptions().as_dict() == {parameter.name: parameter.default for parameter in PARAMETERS}
    assert UpscaleOptions.parse({}) == UpscaleOptions()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("resolution", "720", 720),
        ("resolution", " 720 ", 720),
        ("resolution", 720.0, 720),
        ("resolution", "", 1080),
        ("seed", "4294967295", 4294967295),
        ("latent_noise_scale", "0.25", 0.25),
        ("scale", "2", 2.0),
        ("scale", 1.5, 1.5),
        ("scale", "0", 0.0),
        ("scale", "", 0.0),
        ("strength", "0", 0.0),
        ("softness", "1", 1.0),
        ("tf32", "on", True),
        ("tf32", "False", False),
        ("tf32", 1, True),
        ("color_correction", "wavelet", "wavelet"),
        ("vae_tiling", None, "auto"),
    ],
)
def test_values_from_forms_files_and_python(name: str, text: object, value: object) -> None:
    assert getattr(UpscaleOptions.parse({name: text}), name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("resolution", "15"), ("resolution", "16385"), ("resolution", "12.5"), ("resolution", "many"),
        ("resolution", True), ("resolution", float("inf")), ("resolution", [1]), ("seed", -1), ("seed", 2**32),
        ("latent_noise_scale", "nan"), ("latent_noise_scale", 1.1), ("tf32", "maybe"), ("color_correction", "LAB "),
        ("scale", 0.5), ("scale", "-1"), ("scale", "64.1"), ("scale", "nan"), ("scale", True), ("strength", 1.01),
        ("strength", "-0.1"), ("softness", 2), ("color_correction", 5), ("batch_size", 0), ("batch_size", "1e400"),
    ],
)  # fmt: skip
def test_a_bad_value_is_named_with_what_it_takes(name: str, value: object) -> None:
    with pytest.raises(OptionError) as caught:
        UpscaleOptions.parse({name: value})
    assert caught.value.name == name
    assert name in str(caught.value) and BY_NAME[name].takes() in str(caught.value)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(OptionError, match="no parameter 'resolutoin'"):
        UpscaleOptions.parse({"resolutoin": 1})


def test_what_turns_a_parameter_off_is_among_what_it_takes() -> None:
    assert BY_NAME["scale"].takes() == "0, or a number from 1 to 64"
    assert BY_NAME["strength"].takes() == "a number from 0 to 1"
