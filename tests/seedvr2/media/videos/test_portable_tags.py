"""What is true of the content stays, by names that programs look for; what was true of the old file goes."""

from __future__ import annotations

import pytest

from seedvr2.media.videos.portable_tags import lasting_tags, portable_tags

APPLE = "com.apple.quicktime."


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("major_brand", "qt  "),
        ("ENCODER", "x"),
        ("BPS-eng", "1"),
        ("DURATION", "00:00:01"),
        ("software", "Lavf60.3.100"),
        ("handler_name", "VideoHandler"),
        ("lasttimestamp", "12"),
        ("WMFSDKVersion", "12.0"),
        ("material_package_umid", "0x06"),
    ],
)
def test_what_describes_the_old_file_goes(key: str, text: str) -> None:
    assert lasting_tags({key: text, "title": "A"}) == {"title": "A"}


def test_a_name_is_a_title() -> None:
    assert lasting_tags({"name": "Main"}) == {"title": "Main"}
    assert lasting_tags({"name": "Main", "title": "Other"}) == {"title": "Other"}


def test_apples_keys_get_plain_names_beside() -> None:
    tags = portable_tags({f"{APPLE}location.ISO6709": "+10+020/", f"{APPLE}make": "Apple", "location-eng": "+10+020/"})
    assert tags == {
        f"{APPLE}location.ISO6709": "+10+020/",
        f"{APPLE}make": "Apple",
        "location": "+10+020/",
        "make": "Apple",
    }


def test_plain_names_get_apples_beside_whatever_their_case() -> None:
    tags = portable_tags({"MODEL": "P", "LOCATION": "+1-2/", "DATE_RECORDED": "2024"})
    assert tags[f"{APPLE}model"] == "P"
    assert tags[f"{APPLE}location.ISO6709"] == "+1-2/"
    assert tags[f"{APPLE}creationdate"] == "2024"
    assert "model" not in tags, "not twice by one name"


def test_a_place_by_its_name_is_no_coordinates() -> None:
    assert portable_tags({"LOCATION": "Berlin"}) == {"LOCATION": "Berlin"}


def test_matroskas_capitals_are_taken_back() -> None:
    tags = portable_tags({"COM.APPLE.QUICKTIME.LOCATION.ISO6709": "+1-2/", "COM.ANDROID.VERSION": "14"})
    assert tags[f"{APPLE}location.ISO6709"] == "+1-2/"
    assert tags["com.android.version"] == "14"
