from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seedvr2.options import UpscaleOptions
from seedvr2.pipeline.sizes import Sizes, plan_sizes, sizes_of
from tests.parity.__main__ import BUNDLED

EDGE = st.integers(1, 20_000)
RESOLUTION = st.integers(16, 16_384)


def _planned(row: dict) -> dict[str, list[int]]:
    sizes = plan_sizes(*row["in_wh"], row["resolution"], row["max_resolution"])
    return {
        "first_resize_wh": list(sizes.first),
        "resized_wh": list(sizes.resized),
        "padded_wh": list(sizes.padded),
        "output_wh": list(sizes.output),
    }


def test_every_size_is_the_references() -> None:
    rows = json.loads((BUNDLED / "sizes.json").read_text())["rows"]
    wrong = [row for row in rows if not _planned(row).items() <= row.items()]
    assert len(rows) > 100
    assert wrong == []


def test_the_long_edge_is_truncated_and_the_second_resize_rounded() -> None:
    assert plan_sizes(641, 359, 1080).first == (1928, 1080)  # 1928.36
    assert plan_sizes(1905, 1072, 96).first == (170, 96)  # 170.59
    assert plan_sizes(641, 359, 2160, 3840).resized == (3840, 2151)  # 2151.04


@given(EDGE, EDGE, RESOLUTION, st.integers(0, 16_384), st.sampled_from((4, 8, 16)))
@example(1, 20_000, 16, 16, 16)
@example(20_000, 1, 16, 1, 16)
@example(1, 1, 16, 0, 16)
def test_any_source_has_a_size(width: int, height: int, resolution: int, limit: int, multiple: int) -> None:
    sizes = plan_sizes(width, height, resolution, limit, multiple)
    for edge in (0, 1):
        assert 2 <= sizes.output[edge] <= sizes.resized[edge] <= sizes.padded[edge]
        assert sizes.output[edge] % 2 == 0
        assert sizes.resized[edge] - sizes.output[edge] < 2
        assert sizes.padded[edge] % multiple == 0
        assert sizes.padded[edge] - sizes.resized[edge] < multiple
    if limit >= 2:
        assert max(sizes.resized) <= max(limit, 2)
    if not limit:
        assert min(sizes.resized) == resolution


@given(EDGE, EDGE, RESOLUTION, st.integers(0, 16_384))
def test_a_turned_source_has_the_turned_size(width: int, height: int, resolution: int, limit: int) -> None:
    upright, turned = (plan_sizes(*size, resolution, limit) for size in ((width, height), (height, width)))
    assert upright == Sizes(*(size[::-1] for size in (turned.first, turned.resized, turned.padded, turned.output)))


@pytest.mark.parametrize("limit", [0, 1920, 4000])
def test_a_limit_that_is_not_reached_changes_nothing(limit: int) -> None:
    assert plan_sizes(1280, 720, 1080, limit) == plan_sizes(1280, 720, 1080)


@pytest.mark.parametrize(
    ("source", "asked", "output"),
    [
        ((640, 360), {"scale": 2}, (1280, 720)),
        ((360, 640), {"scale": 4}, (1440, 2560)),
        ((641, 359), {"scale": 1}, (640, 358)),  # a video's edges are even, so an odd one loses its last line
        ((641, 359), {"scale": 2}, (1282, 718)),
        ((333, 101), {"scale": 1.5}, (500, 152)),  # 151.5 and 501.1
        ((7, 3), {"scale": 2}, (14, 6)),
        ((640, 360), {"scale": 2, "resolution": 1080}, (1280, 720)),
        ((640, 360), {"scale": 0, "resolution": 1080}, (1920, 1080)),
        ((640, 360), {"scale": 4, "max_resolution": 1920}, (1920, 1080)),
        ((4000, 100), {"scale": 64}, (16384, 410)),
        ((3840, 2160), {"resolution": 1080}, (1920, 1080)),
    ],
)
def test_a_scale_is_a_multiple_of_the_source_within_the_limits(
    source: tuple[int, int], asked: dict[str, float], output: tuple[int, int]
) -> None:
    sizes = sizes_of(source, UpscaleOptions.parse(asked))
    assert sizes.output == output
    assert all(edge % 16 == 0 for edge in sizes.padded)


@pytest.mark.parametrize("source", [(640, 360), (360, 640), (1000, 333), (333, 1000), (853, 480), (47, 4999), (64, 64)])
@pytest.mark.parametrize("edge", [16, 500, 777, 1919, 4096])
def test_a_long_edge_is_what_was_asked_for(source: tuple[int, int], edge: int) -> None:
    sizes = sizes_of(source, UpscaleOptions(long_edge=edge))
    assert max(sizes.resized) == edge
    assert max(sizes.output) == edge // 2 * 2
    wanted = min(source) * edge / max(source)
    assert abs(min(sizes.resized) - max(wanted, 2)) <= 1


@pytest.mark.parametrize("source", [(640, 360), (360, 640), (1000, 333), (853, 480)])
@pytest.mark.parametrize("box", [(1920, 1080), (1080, 1920), (500, 0), (0, 301), (123, 4000)])
def test_a_result_fits_into_its_box_and_fills_it(source: tuple[int, int], box: tuple[int, int]) -> None:
    sizes = sizes_of(source, UpscaleOptions(scale=8, fit_width=box[0], fit_height=box[1]))
    slack = [most - side for most, side in zip(box, sizes.resized, strict=True) if most]
    assert min(slack) == 0
    assert abs(sizes.resized[0] * source[1] - sizes.resized[1] * source[0]) <= 2 * max(source)
    small = UpscaleOptions(scale=1, fit_width=16384, fit_height=16384)
    assert sizes_of(source, small) == sizes_of(source, UpscaleOptions(scale=1))
