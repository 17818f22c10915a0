"""Draw a training log as an SVG: the loss, and the gain over the resize on held-out pictures.

python -m training.plot DIR/run/log.csv docs/training.svg
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

WIDTH, HEIGHT, MARGIN = 760, 240, 48
CURVES = {"x2 dB": "#1f77b4", "x4 dB": "#2ca02c", "clean dB": "#9467bd"}
LOSS = {"loss": "#d62728"}


def draw(rows: list[dict[str, str]]) -> str:
    """Two panels above each other, step along x."""
    panels = panel(rows, CURVES, 0, "gain over the resize, dB")
    panels += panel(rows, LOSS, HEIGHT, "loss, as a share of the resize's")
    size = f'width="{WIDTH}" height="{2 * HEIGHT}" viewBox="0 0 {WIDTH} {2 * HEIGHT}"'
    style = '<style>text{font:12px sans-serif;fill:#444}</style><rect width="100%" height="100%" fill="#fff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{style}{panels}</svg>\n'


def panel(rows: list[dict[str, str]], curves: dict[str, str], top: int, title: str) -> str:
    """Axes with their ends labelled, a zero line where there is one, and a curve for each column."""
    steps = [int(row["step"]) for row in rows]
    values = [float(row[name]) for row in rows for name in curves]
    low, high = min(values), max(values)
    low, high = (low, high) if high > low else (low - 1, high + 1)
    left, right, ceiling, floor = MARGIN, WIDTH - 110, top + 24, top + HEIGHT - 28

    def x(step: float) -> float:
        return left + (right - left) * (step - steps[0]) / max(steps[-1] - steps[0], 1)

    def y(value: float) -> float:
        return floor - (floor - ceiling) * (value - low) / (high - low)

    parts = [
        f'<rect x="{left}" y="{ceiling}" width="{right - left}" height="{floor - ceiling}" fill="none" stroke="#bbb"/>',
        f'<text x="{left}" y="{ceiling - 8}">{title}</text>',
        f'<text x="4" y="{ceiling + 10}">{high:.3g}</text><text x="4" y="{floor}">{low:.3g}</text>',
        f'<text x="{left}" y="{floor + 18}">step {steps[0]}</text>',
        f'<text x="{right - 50}" y="{floor + 18}">{steps[-1]}</text>',
    ]
    if low < 0 < high:
        parts.append(f'<line x1="{left}" y1="{y(0):.1f}" x2="{right}" y2="{y(0):.1f}" stroke="#ddd"/>')
    for index, (name, colour) in enumerate(curves.items()):
        points = " ".join(f"{x(step):.1f},{y(float(row[name])):.1f}" for step, row in zip(steps, rows, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(f'<text x="{right + 10}" y="{ceiling + 14 + 18 * index}" style="fill:{colour}">{name}</text>')
    return "".join(parts)


def main() -> None:
    """Read the log, write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    with arguments.log.open() as file:
        arguments.target.write_text(draw(list(csv.DictReader(file))))


if __name__ == "__main__":
    main()
