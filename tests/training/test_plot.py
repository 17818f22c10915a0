from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from training.plot import draw


def test_a_curve_rises_with_its_values() -> None:
    rows = [
        {"phase": phase, "seconds": str(60 * minute), "score": str(1 / minute)}
        | {"x2 dB": str(minute / 10), "x4 dB": "0", "clean dB": "-1"}
        for minute, phase in enumerate(("hints", "hints", "hints", "decoder", "decoder", "joint"), start=1)
    ]
    picture = draw(rows)
    ET.fromstring(picture)
    curves = [re.findall(r"[\d.]+", points) for points in re.findall(r'polyline points="([^"]+)"', picture)]
    assert len(curves) == 4
    heights = [[float(number) for number in curve[1::2]] for curve in curves]
    assert heights[0] == sorted(heights[0])  # y grows downwards, and the error of the hints falls
    assert heights[1] == sorted(heights[1], reverse=True)
    assert heights[1][0] > heights[1][-1]
    assert {len(curve) for curve in heights} == {3}
