from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from trackintel.geogr import point_haversine_dist as haversine_m

from bench.staypoints import (
    FIXTURE,
    find_with_trackintel,
    make_fixture_fixes,
    make_trackintel_fixes,
)
from mobility_pipeline.analytics.staypoints import SILENCE_S, detect_staypoints
from mobility_pipeline_tests.analytics.tracks import (
    NOWHERE,
    START,
    cut_at_silences,
    make_tracks,
)

_DEGREE_M = 6_371_008.8 * np.pi / 180


def make_track(*fixes: tuple[float, float], device: str = "a") -> pl.DataFrame:
    """Make fixes of (minute, metres north)."""
    return pl.DataFrame(
        {
            "device_id": [device] * len(fixes),
            "at": [START + timedelta(minutes=minute) for minute, _ in fixes],
            "lat": [north / _DEGREE_M for _, north in fixes],
            "lon": [0.0] * len(fixes),
        },
        schema_overrides={"at": pl.Datetime("us", "UTC")},
    )


def find(fixes: pl.DataFrame) -> list[tuple[float, float, int]]:
    """Return first minute, last minute and fixes of each staypoint."""
    found = detect_staypoints(fixes, NOWHERE)
    minute = timedelta(minutes=1)
    return [
        ((start - START) / minute, (end - START) / minute, count)
        for start, end, count in found.select(
            "started_at", "finished_at", "fixes_count"
        ).rows()
    ]


@pytest.mark.parametrize(
    ("fixes", "expected"),
    [
        ([(0, 0), (10, 100), (20, 199), (30, 900)], [(0, 30, 3)]),
        ([(0, 0), (10, 100), (19, 900)], []),
        ([(0, 0), (10, 100), (20, 900)], [(0, 20, 2)]),
        ([(0, 0), (10, 201), (20, 0), (30, 0), (40, 0)], [(20, 40, 3)]),
        ([(0, 0), (20, 0)], [(0, 20, 2)]),
        ([(0, 0), (60, 0), (90, 900)], [(0, 90, 2)]),
        ([(0, 0), (30, 0), (91, 0), (95, 900)], [(0, 30, 2)]),
        ([(0, 0)], []),
        ([], []),
    ],
    ids=[
        "first fix beyond ends it",
        "too short",
        "twenty minutes are enough",
        "anchor moves on",
        "last one ends with the fixes",
        "an hour is no silence",
        "silence ends it before",
        "one fix",
        "none",
    ],
)
def test_staypoints_by_hand(
    fixes: list[tuple[float, float]], expected: list[tuple[float, float, int]]
) -> None:
    """Each rule of the definition alone."""
    assert find(make_track(*fixes)) == expected


def test_devices_do_not_mix() -> None:
    """The next device's fixes at the same place are its own."""
    both = pl.concat(
        [make_track((0, 0), (15, 0)), make_track((16, 0), (40, 0), device="b")]
    )
    assert find(both) == [(16, 40, 2)]


def test_center_is_the_mean_also_across_the_antimeridian() -> None:
    """By hand: a third of the way from 179.9999 to -179.9998 is 180 or -180."""
    track = make_track((0, 0), (10, 0), (25, 0)).with_columns(
        lon=pl.Series([179.9999, 179.9999, -179.9998])
    )
    (row,) = detect_staypoints(track, NOWHERE).rows(named=True)
    assert abs(row["lon"]) == pytest.approx(180, abs=1e-9)
    assert row["lat"] == 0


def test_agrees_with_trackintel() -> None:
    """Same starts, ends and centroids on generated tracks without silences."""
    fixes = make_tracks(7, devices=20, fixes=600)
    theirs = find_with_trackintel(make_trackintel_fixes(fixes))
    ours = detect_staypoints(fixes, NOWHERE)
    assert ours.height > 100
    assert_frame_equal(ours.select(theirs.columns), theirs, abs_tol=1e-9)


def test_agrees_with_trackintel_between_silences() -> None:
    """A device is as many of its own as there are stretches between its silences."""
    fixes = make_tracks(8, devices=12, fixes=300, silent=0.02)
    stretches = cut_at_silences(fixes, SILENCE_S)
    theirs = find_with_trackintel(make_trackintel_fixes(stretches))
    device = pl.col("device_id").str.head(len("d00000"))
    expected = theirs.with_columns(device).sort("device_id", "started_at")
    ours = detect_staypoints(fixes, NOWHERE)
    assert ours.height > 50
    assert_frame_equal(ours.select(expected.columns), expected, abs_tol=1e-9)


def test_agrees_with_scikit_mobility() -> None:
    """Same starts and ends as the recorded ones; medians are close to our means."""
    theirs = pl.read_csv(FIXTURE).with_columns(
        pl.col("started_at", "finished_at").str.to_datetime(time_zone="UTC")
    )
    ours = detect_staypoints(make_fixture_fixes(), NOWHERE).select(theirs.columns)
    assert ours.height > 25
    times = ["device_id", "started_at", "finished_at"]
    assert_frame_equal(ours.select(times), theirs.select(times))
    north_m = (ours["lat"] - theirs["lat"]) * _DEGREE_M
    east_m = (ours["lon"] - theirs["lon"]) * _DEGREE_M * np.cos(np.radians(50))
    # Fixes are up to 40 m from where a device dwells, in either direction.
    assert max(north_m.abs().max(), east_m.abs().max()) < 40


@given(
    st.integers(0, 10_000), st.integers(30, 400), st.sampled_from([0, 0.05]), st.data()
)
@settings(max_examples=25, deadline=None)
def test_laws(seed: int, every_s: int, silent: float, data: st.DataObject) -> None:
    """Shuffled and doubled rows change nothing; stays are long, near and never overlap."""
    fixes = make_tracks(seed, devices=3, fixes=80, every_s=every_s, silent=silent)
    found = detect_staypoints(fixes, NOWHERE)
    mixed = pl.concat([fixes, fixes]).sample(fraction=1, shuffle=True, seed=seed)
    doubled = mixed.head(data.draw(st.integers(0, fixes.height)))
    mixed = pl.concat([doubled, fixes])
    assert detect_staypoints(mixed, NOWHERE).equals(found)
    lasts = found["finished_at"] - found["started_at"]
    assert (lasts >= timedelta(minutes=20)).all()
    later = found.select(
        pl.col("started_at").shift(-1).over("device_id") >= pl.col("finished_at")
    )
    assert later["started_at"].drop_nulls().all()
    for stop in found.iter_rows(named=True):
        assert_within_reach(fixes, stop)


def assert_within_reach(fixes: pl.DataFrame, stop: dict[str, Any]) -> None:
    """Each of a staypoint's fixes is less than 200 m from the first of them."""
    mine = fixes.filter(
        device_id=stop["device_id"],
    ).filter(pl.col("at") >= stop["started_at"])
    members = mine.sort("at").head(stop["fixes_count"])
    lon, lat = members["lon"].to_numpy(), members["lat"].to_numpy()
    away_m = np.asarray(haversine_m(lon[0], lat[0], lon, lat))
    assert away_m.max() < 200
    assert members["at"][-1] <= stop["finished_at"]
