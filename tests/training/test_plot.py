from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from training.plot import draw


def test_a_curve_rises_with_its_values() -> None:
    rows = [
        {"step": str(step), "loss": str(1 / step), "x2 dB": str(step / 10), "x4 dB": "0", "clean dB": "-1"}
        for step in (1, 2, 3)
    ]
    picture = draw(rows)
    ET.fromstring(picture)
    curves = [re.findall(r"[\d.]+", points) for points in re.findall(r'polyline points="([^"]+)"', picture)]
    assert len(curves) == 4
    rising = [float(number) for number in curves[0][1::2]]
    assert rising == sorted(rising, reverse=True)  # y grows downwards
    assert [float(number) for number in curves[3][1::2]] == sorted(float(number) for number in curves[3][1::2])
