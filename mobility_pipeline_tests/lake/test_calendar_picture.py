"""The coverage calendar as a picture: what is drawn is what is known."""

import re
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import combinations, pairwise
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from mobility_pipeline.lake.calendar import SQUARES, Calendar, make_calendar
from mobility_pipeline.lake.calendar_picture import COLOURS, draw_html, draw_svg
from mobility_pipeline_tests.lake.test_calendar import CALENDAR

_SVG = "{http://www.w3.org/2000/svg}"


def _texts(calendar: Calendar) -> list[str]:
    root = ET.fromstring(draw_svg(calendar))  # noqa: S314  # our own text
    return [text.text or "" for text in root.iter(f"{_SVG}text")]


def test_svg_has_a_rectangle_for_each_run_of_days() -> None:
    """Runs are named by city, days and state; widths add up to the whole range."""
    root = ET.fromstring(draw_svg(CALENDAR))  # noqa: S314  # our own text
    runs = [
        (rect.findtext(f"{_SVG}title"), float(rect.get("width", "0")))
        for rect in root.iter(f"{_SVG}rect")
        if rect.find(f"{_SVG}title") is not None
    ]
    assert runs == [
        ("a/<c> 2024-02-27 to 2024-02-28: not_expected", 450),
        ("a/<c> 2024-02-29 to 2024-02-29: not_requested", 225),
        ("a/<c> 2024-03-01 to 2024-03-01: erased", 225),
        ("a/b 2024-02-27 to 2024-02-27: not_requested", 225),
        ("a/b 2024-02-28 to 2024-02-29: delivered", 450),
        ("a/b 2024-03-01 to 2024-03-01: not_requested", 225),
    ]


def test_title_legend_and_cities_say_the_numbers() -> None:
    """Of 6 expected days 2 are held; each city misses 2."""
    assert _texts(CALENDAR) == [
        "pings_full: 2024-02-27 to 2024-03-01, 2 cities, 2 of 6 city-days in the lake",
        "delivered 2",
        "not_requested 3",
        "erased 1",
        "before the first day 2",
        "02-27",
        "02-29",
        "03-01",
        "missing",
        "a/<c>",
        "2",
        "a/b",
        "2",
    ]


@pytest.mark.parametrize("days", [1, 31, 426, 3653])
def test_labels_of_months_do_not_overlap(days: int) -> None:
    """Of a day, of a month, of 14 months and of 10 years; there is at least one."""
    start = date(2020, 1, 1)
    end = start + timedelta(days=days - 1)
    calendar = make_calendar("pings_full", {}, {"a/b": start}, start, end)
    root = ET.fromstring(draw_svg(calendar))  # noqa: S314  # our own text
    labels = [
        float(text.get("x", "0"))
        for text in root.iter(f"{_SVG}text")
        if re.fullmatch(r"\d+-\d\d", text.text or "")
    ]
    assert labels
    assert all(right - left >= 46 for left, right in pairwise(labels))


def test_html_stands_alone_and_shows_every_city() -> None:
    """The page asks nobody for anything; its head stays in sight over 1,000 rows."""
    start = date(2025, 1, 1)
    cities = {f"country/city_{number:04}": start for number in range(1000)}
    page = draw_html(make_calendar("pings_full", {}, cities, start, start))
    assert all(f">{city}</text>" in page for city in cities)
    assert "position:sticky" in page
    assert "src=" not in page


# Machado, Oliveira, Fernandes 2009: linear RGB as people without one kind of cone see it.
_SIGHT = {
    "all three cones": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
_TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)
_JUST_SEEN = 2.3
"""Difference in CIELAB that people just see (Mahy and others, 1994)."""


def _to_lab(colour: str, sight: np.ndarray) -> np.ndarray:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    ]
    seen = np.clip(sight @ np.array(linear), 0, 1)
    x, y, z = np.cbrt(_TO_XYZ @ seen / (_TO_XYZ @ np.ones(3)))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", _SIGHT.values(), ids=_SIGHT)
def test_states_look_different_to_everybody(sight: np.ndarray) -> None:
    """Any two colours differ by five times what people just see, without any cone, too."""
    assert COLOURS.keys() == SQUARES.keys()
    seen = {state: _to_lab(colour, sight) for state, colour in COLOURS.items()}
    apart = {
        pair: float(np.linalg.norm(seen[pair[0]] - seen[pair[1]]))
        for pair in combinations(seen, 2)
    }
    close: Sequence[object] = [
        (pair, far) for pair, far in apart.items() if far < 5 * _JUST_SEEN
    ]
    assert close == []
