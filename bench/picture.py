"""The picture for the README: ours, copying once, and the old way, as bars."""

import math
from collections.abc import Sequence
from html import escape

from bench.results import Results

_WIDTH, _BAR, _ROW = 720, 22, 52
_LEFT, _RIGHT = 12, 150
_TEXT = "#76808b"
"""Reads on a white page and on a dark one."""
_COLOURS = ("#2da44e", "#8b949e", "#cf6a3c")


def draw_picture(results: Results) -> str:
    """Draw wall times of `many` on a logarithmic scale, as SVG."""
    truth = results.truths["many"]
    bars = (
        ("landed: split by city, sorted, published", results.wall_s("many")),
        ("only copied, once, with s5cmd", results.copy_s()),
        (f"the old way: {truth.areas} × aws s3 sync", results.old_way_s()),
    )
    title = f"{truth.files:,} files of {truth.areas} cities × {len(truth.days)} days"
    return _draw(title, bars)


def _draw(title: str, bars: Sequence[tuple[str, float]]) -> str:
    height = 70 + _ROW * len(bars)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" role="img" font-size="14" fill="{_TEXT}" '
        'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif">',
        f"<title>{escape(title)}</title>",
        f'<text x="{_LEFT}" y="24" font-weight="600">{escape(title)}</text>',
    ]
    longest = max(seconds for _, seconds in bars)
    for number, (name, seconds) in enumerate(bars):
        y = 52 + _ROW * number
        width = (_WIDTH - _LEFT - _RIGHT) * _share(seconds, longest)
        colour = _COLOURS[number % len(_COLOURS)]
        lines += [
            f'<text x="{_LEFT}" y="{y}">{escape(name)}</text>',
            f'<rect x="{_LEFT}" y="{y + 7}" width="{width:.0f}" height="{_BAR}" rx="3" '
            f'fill="{colour}"/>',
            f'<text x="{_LEFT + width + 8:.0f}" y="{y + 23}" font-weight="600">'
            f"{escape(_duration(seconds))}</text>",
        ]
    note = "wall time on a logarithmic scale; the old way is scaled up from a few dates"
    lines.append(f'<text x="{_LEFT}" y="{height - 10}" font-size="12">{note}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def _share(seconds: float, longest: float) -> float:
    """Return a bar's length from 0 to 1; one second is a tenth of what a decade takes."""
    return math.log10(max(seconds, 1.0) * 1.26) / math.log10(max(longest, 1.0) * 1.26)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:,.0f} minutes"
    return f"{seconds / 3600:,.1f} hours"
