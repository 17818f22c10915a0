"""Which size a job gets from layers of values, and how much work that is."""

from __future__ import annotations

import pytest

from daemon.jobs.job import Media
from daemon.jobs.parameters import JobRequest
from daemon.jobs.workload import output_size, work_of
from seedvr2.errors import OptionError
from seedvr2.options import UpscaleOptions


@pytest.mark.parametrize(
    ("layers", "scale"),
    [
        (({"scale": 2},), 2),
        (({"scale": 2, "resolution": 720},), 2),
        (({"resolution": 720}, {"scale": 2}), 2),
        (({"scale": 2}, {"resolution": 720}), 0),  # the later wish is the one for a resolution
        (({"scale": 2}, {"resolution": ""}), 2),
        (({"scale": 2}, {"seed": 1}), 2),
        (({"scale": 2}, {"scale": "0"}), 0),
        (({"scale": 2}, {"resolution": 720}, {"scale": "4"}), 4),
    ],
)
def test_a_resolution_that_is_asked_for_later_puts_a_scale_out_of_force(
    layers: tuple[dict[str, object], ...], scale: float
) -> None:
    assert JobRequest.parse(*layers).options.scale == scale


@pytest.mark.parametrize(
    ("layers", "wanted"),
    [
        (({"scale": 2}, {"long_edge": 900}), (0, 900)),
        (({"long_edge": 900}, {"scale": 2}), (2, 900)),
        (({"long_edge": 900}, {"resolution": 720}), (0, 0)),
        (({"scale": 2}, {"long_edge": 0}), (2, 0)),
        (({"long_edge": 900}, {"scale": 0}), (0, 900)),
    ],
)
def test_a_long_edge_that_is_asked_for_later_puts_a_scale_out_of_force(
    layers: tuple[dict[str, object], ...], wanted: tuple[float, int]
) -> None:
    options = JobRequest.parse(*layers).options
    assert (options.scale, options.long_edge) == wanted


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ({"resolution": 720}, (1280, 720)),
        ({"scale": 3}, (1920, 1080)),
        ({"scale": 3, "max_resolution": 960}, (960, 540)),
        ({"long_edge": 1280}, (1280, 720)),
        ({"long_edge": 1280, "resolution": 480}, (1280, 720)),
        ({"long_edge": 1280, "scale": 3}, (1920, 1080)),
        ({"long_edge": 1280, "max_resolution": 960}, (960, 540)),
        ({"scale": 4, "fit_width": 1280, "fit_height": 1000}, (1280, 720)),
        ({"scale": 4, "fit_height": 540}, (960, 540)),
        ({"scale": 1, "fit_width": 4000, "fit_height": 4000}, (640, 360)),
        ({"fit_width": 320}, (320, 180)),
    ],
)
def test_the_work_of_a_job_is_that_of_its_result(asked: dict[str, int], size: tuple[int, int]) -> None:
    media, options = Media("video", 640, 360, 100, 25.0, 4.0), UpscaleOptions.parse(asked)
    assert output_size(media, options) == size
    assert work_of(media, options) == pytest.approx(size[0] * size[1] * 100 / 1e6)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        # What goes together stays.
        ([{"output_format": "mkv", "crf": 20}, {"profile": "quality"}], ("mkv", "quality", "auto", 20)),
        # What does not makes way for the later words, with all that was said of coding.
        ([{"output_format": "mp4", "crf": 20}, {"profile": "archive"}], ("auto", "archive", "auto", -1)),
        ([{"profile": "archive"}, {"video_codec": "hevc"}], ("auto", "auto", "hevc", -1)),
        ([{"profile": "edit"}, {"seed": 5}, {"output_format": "webm"}], ("webm", "auto", "auto", -1)),
    ],
)
def test_later_words_on_coding_put_contradicting_ones_out_of_force(
    layers: list[dict[str, object]], expected: tuple[object, ...]
) -> None:
    options = JobRequest.parse({"batch_size": 9}, *layers).options
    assert (options.output_format, options.profile, options.video_codec, options.crf) == expected
    assert options.batch_size == 9


def test_words_of_one_layer_that_contradict_are_refused() -> None:
    with pytest.raises(OptionError, match="output_format = mp4 does not hold"):
        JobRequest.parse({"crf": 20}, {"profile": "archive", "output_format": "mp4"})
