import geopandas as gpd
import polars as pl
import pytest
import trackintel as ti
from hypothesis import given, settings
from hypothesis import strategies as st
from trackintel.analysis import radius_gyration

from mobility_pipeline.analytics.device_days import measure_device_days
from mobility_pipeline.analytics.dwell import measure_dwell
from mobility_pipeline.schemas.derived import DEVICE_DAYS
from mobility_pipeline_tests.analytics.tracks import make_tracks


def test_radius_of_gyration_of_two_points_is_half_their_distance() -> None:
    """On the equator, 0.02° apart: 0.01° of the mean great circle, by hand."""
    fixes = make_tracks(1, devices=1, fixes=2).with_columns(
        lat=pl.lit(0.0), lon=pl.Series([5.0, 5.02])
    )
    (row,) = measure_device_days(fixes).rows(named=True)
    assert row["radius_of_gyration_m"] == pytest.approx(1_111.95, abs=0.01)
    assert (row["fixes_count"], row["observed_hours_count"]) == (2, 1)


def test_radius_of_gyration_agrees_with_trackintel() -> None:
    """Within a city its mean of degrees is our centre; its sphere is 9 m smaller."""
    fixes = make_tracks(3, devices=5, fixes=300)
    frame = fixes.select("device_id", "at", "lon", "lat").to_pandas()
    points = gpd.GeoDataFrame(
        {
            "user_id": frame["device_id"],
            "started_at": frame["at"],
            "finished_at": frame["at"],
        },
        geometry=gpd.points_from_xy(frame["lon"], frame["lat"]),
        crs="EPSG:4326",
    )
    theirs = radius_gyration(ti.Staypoints(points)).sort_index()
    ours = measure_device_days(fixes)
    assert ours["device_id"].to_list() == theirs.index.to_list()
    assert ours["radius_of_gyration_m"].to_list() == pytest.approx(
        theirs.to_list(), rel=1e-5
    )


def test_radius_of_gyration_is_right_across_the_antimeridian() -> None:
    """By hand: the two points of the equator again, on either side of it."""
    fixes = make_tracks(1, devices=1, fixes=2).with_columns(
        lat=pl.lit(0.0), lon=pl.Series([179.99, -179.99])
    )
    radius = measure_device_days(fixes)["radius_of_gyration_m"].item()
    assert radius == pytest.approx(1_111.95, abs=0.01)


def test_device_with_one_fix_has_radius_zero() -> None:
    """Exactly, not almost."""
    fixes = make_tracks(3, devices=4, fixes=1)
    assert measure_device_days(fixes)["radius_of_gyration_m"].to_list() == [0.0] * 4


@given(st.integers(0, 10_000), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_shuffled_and_doubled_rows_change_nothing(seed: int, count: int) -> None:
    """Bit for bit."""
    fixes = make_tracks(seed, devices=7, fixes=count)
    mixed = pl.concat([fixes, fixes]).sample(fraction=1, shuffle=True, seed=seed)
    assert measure_device_days(mixed).equals(measure_device_days(fixes))


def test_no_fixes_are_no_devices() -> None:
    """The table without rows."""
    fixes = make_tracks(5, devices=1, fixes=1).clear()
    found = measure_device_days(fixes)
    assert (found.height, found.columns) == (0, DEVICE_DAYS.schema.names)
    assert measure_dwell(fixes).height == 0
