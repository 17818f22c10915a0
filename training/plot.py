"""Draw a training log as an SVG: the gain over the resize on held-out pictures, and before it the error of the hints.

python -m training.plot DIR/run/log.csv docs/training.svg
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

WIDTH, HEIGHT, MARGIN = 760, 240, 48
CURVES = {"x2 dB": "#1f77b4", "x4 dB": "#2ca02c", "clean dB": "#9467bd"}
ERROR = {"score": "#d62728"}


def draw(rows: list[dict[str, str]]) -> str:
    """Two panels above each other, minutes of training along x."""
    hints = [row for row in rows if row["phase"] == "hints"]
    restoring = [row for row in rows if row["phase"] != "hints"]
    panels = panel(hints, ERROR, 0, "squared error of the hints") if hints else ""
    panels += panel(restoring, CURVES, HEIGHT, "gain over the resize, dB") if restoring else ""
    size = f'width="{WIDTH}" height="{2 * HEIGHT}" viewBox="0 0 {WIDTH} {2 * HEIGHT}"'
    style = '<style>text{font:12px sans-serif;fill:#444}</style><rect width="100%" height="100%" fill="#fff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{style}{panels}</svg>\n'


def panel(rows: list[dict[str, str]], curves: dict[str, str], top: int, title: str) -> str:
    """Axes with their ends labelled, a zero line where there is one, and a curve for each column."""
    minutes = [int(row["seconds"]) / 60 for row in rows]
    values = [float(row[name]) for row in rows for name in curves]
    low, high = min(values), max(values)
    low, high = (low, high) if high > low else (low - 1, high + 1)
    left, right, ceiling, floor = MARGIN, WIDTH - 110, top + 24, top + HEIGHT - 28

    def x(minute: float) -> float:
        return left + (right - left) * (minute - minutes[0]) / max(minutes[-1] - minutes[0], 0.1)

    def y(value: float) -> float:
        return floor - (floor - ceiling) * (value - low) / (high - low)

    parts = [
        f'<rect x="{left}" y="{ceiling}" width="{right - left}" height="{floor - ceiling}" fill="none" stroke="#bbb"/>',
        f'<text x="{left}" y="{ceiling - 8}">{title}</text>',
        f'<text x="4" y="{ceiling + 10}">{high:.3g}</text><text x="4" y="{floor}">{low:.3g}</text>',
        f'<text x="{left}" y="{floor + 18}">{minutes[0]:.0f} min</text>',
        f'<text x="{right - 50}" y="{floor + 18}">{minutes[-1]:.0f} min</text>',
    ]
    if low < 0 < high:
        parts.append(f'<line x1="{left}" y1="{y(0):.1f}" x2="{right}" y2="{y(0):.1f}" stroke="#ddd"/>')
    for index, (name, colour) in enumerate(curves.items()):
        points = " ".join(
            f"{x(minute):.1f},{y(float(row[name])):.1f}" for minute, row in zip(minutes, rows, strict=True)
        )
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
