from __future__ import annotations

from typing import Any

import pytest

from seedvr2.errors import OptionError
from seedvr2.preview.wish import STRENGTHS, Crop, Wish


def test_a_wish_of_texts_and_of_json_is_the_same() -> None:
    texts = {"at": "12.5", "crop": " 10, 20,30,40", "strengths": "1, 0.5,1", "frames": "3", "patience": "2"}
    values = {"at": 12.5, "crop": [10, 20, 30, 40], "strengths": [1, 0.5, 1], "frames": 3, "patience": 2}
    wanted = Wish(12.5, Crop(10, 20, 30, 40), (1.0, 0.5), 3, 2.0)
    assert Wish.parse(texts) == Wish.parse(values) == Wish.parse(wanted.as_dict()) == wanted
    assert Wish.parse({"at": "", "crop": None, "strengths": " "}) == Wish(strengths=STRENGTHS)
    assert Wish.parse({"crop": "WHOLE"}).crop == "whole"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("at", "-1"), ("at", "soon"), ("at", "nan"), ("at", "inf"), ("at", True), ("crop", "1,2,3"),
        ("crop", "1,2,0,4"),
        ("crop", "a,b,c,d"), ("crop", "-1,2,3,4"), ("strengths", "2"), ("strengths", "0.1,,0.2"), ("frames", "0"),
        ("frames", "2.5"), ("patience", "0"), ("patience", "601"), ("strengths", "0,.1,.2,.3,.4,.5,.6,.7,.8"),
        ("sharpness", "1"),
    ],
)  # fmt: skip
def test_what_it_does_not_take_is_said(name: str, value: Any) -> None:
    with pytest.raises(OptionError, match=name) as refusal:
        Wish.parse({name: value})
    assert refusal.value.name == name
