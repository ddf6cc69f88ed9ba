from datetime import timedelta

import geopandas as gpd
import numpy as np
import polars as pl
import pytest
import trackintel as ti
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility_pipeline.analytics.regions import RegionMap
from mobility_pipeline.analytics.staypoints import detect_staypoints
from mobility_pipeline_tests.analytics.tracks import START, make_tracks

_EARTH_M = 6_371_008.8
_DEGREE_M = _EARTH_M * np.pi / 180


class _Nowhere(RegionMap):
    """A map without regions."""

    def __init__(self) -> None:
        pass

    def assign(self, lon: np.ndarray, lat: np.ndarray) -> pl.Series:
        return pl.Series("region_id", [None] * len(lon), pl.String)


NOWHERE = _Nowhere()


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
    frame = fixes.select("device_id", "at", "lon", "lat").to_pandas()
    points = gpd.GeoDataFrame(
        {"user_id": frame["device_id"], "tracked_at": frame["at"]},
        geometry=gpd.points_from_xy(frame["lon"], frame["lat"]),
        crs="EPSG:4326",
    )
    _, theirs = ti.Positionfixes(points).generate_staypoints(
        method="sliding",
        dist_threshold=200,
        time_threshold=20,
        gap_threshold=1e6,
        include_last=True,
    )
    theirs = theirs.sort_values(["user_id", "started_at"])
    ours = detect_staypoints(fixes, NOWHERE)
    assert ours.height == len(theirs) > 100
    assert ours["device_id"].to_list() == theirs["user_id"].to_list()
    assert ours["started_at"].to_list() == theirs["started_at"].to_list()
    assert ours["finished_at"].to_list() == theirs["finished_at"].to_list()
    np.testing.assert_allclose(ours["lon"], theirs.geometry.x, atol=1e-9)
    np.testing.assert_allclose(ours["lat"], theirs.geometry.y, atol=1e-9)


@given(st.integers(0, 10_000), st.integers(30, 400))
@settings(max_examples=25, deadline=None)
def test_laws(seed: int, every_s: int) -> None:
    """Shuffled and doubled rows change nothing; stays are long and never overlap."""
    fixes = make_tracks(seed, devices=3, fixes=80, every_s=every_s)
    found = detect_staypoints(fixes, NOWHERE)
    mixed = pl.concat([fixes, fixes]).sample(fraction=1, shuffle=True, seed=seed)
    assert detect_staypoints(mixed, NOWHERE).equals(found)
    lasts = found["finished_at"] - found["started_at"]
    assert (lasts >= timedelta(minutes=20)).all()
    later = found.select(
        pl.col("started_at").shift(-1).over("device_id") >= pl.col("finished_at")
    )
    assert later["started_at"].drop_nulls().all()
