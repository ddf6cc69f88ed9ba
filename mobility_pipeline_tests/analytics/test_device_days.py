import numpy as np
import polars as pl
import pytest

from mobility_pipeline.analytics.device_days import measure_device_days
from mobility_pipeline.analytics.dwell import measure_dwell
from mobility_pipeline.schemas.derived import DEVICE_DAYS
from mobility_pipeline_tests.analytics.tracks import make_tracks

_EARTH_M = 6_371_008.8


def _haversine_m(
    lat_a: float, lon_a: float, lat: np.ndarray, lon: np.ndarray
) -> np.ndarray:
    half = np.sin((lat - lat_a) / 2) ** 2
    half += np.cos(lat_a) * np.cos(lat) * np.sin((lon - lon_a) / 2) ** 2
    return 2 * _EARTH_M * np.arcsin(np.sqrt(half))


def test_radius_of_gyration_of_two_points_is_half_their_distance() -> None:
    """On the equator, 0.02° apart: 0.01° of the mean great circle, by hand."""
    fixes = make_tracks(1, devices=1, fixes=2).with_columns(
        lat=pl.lit(0.0), lon=pl.Series([5.0, 5.02])
    )
    (row,) = measure_device_days(fixes).rows(named=True)
    assert row["radius_of_gyration_m"] == pytest.approx(1_111.95, abs=0.01)
    assert (row["fixes_count"], row["observed_hours_count"]) == (2, 1)


def test_radius_of_gyration_agrees_with_the_planar_definition() -> None:
    """Within a city the mean of degrees is the centre (as in scikit-mobility)."""
    fixes = make_tracks(3, devices=5, fixes=300)
    ours = measure_device_days(fixes)
    for device, radius in ours.select("device_id", "radius_of_gyration_m").rows():
        mine = fixes.filter(pl.col("device_id") == device)
        lat, lon = (np.radians(mine[name].to_numpy()) for name in ("lat", "lon"))
        away = _haversine_m(lat.mean(), lon.mean(), lat, lon)
        assert radius == pytest.approx(np.sqrt((away**2).mean()), rel=1e-5)


def test_device_with_one_fix_has_radius_zero() -> None:
    """Exactly, not almost."""
    fixes = make_tracks(3, devices=4, fixes=1)
    assert measure_device_days(fixes)["radius_of_gyration_m"].to_list() == [0.0] * 4


def test_shuffled_and_doubled_rows_change_nothing() -> None:
    """Bit for bit."""
    fixes = make_tracks(5, devices=7, fixes=50)
    mixed = pl.concat([fixes, fixes]).sample(fraction=1, shuffle=True, seed=2)
    assert measure_device_days(mixed).equals(measure_device_days(fixes))


def test_no_fixes_are_no_devices() -> None:
    """The table without rows."""
    fixes = make_tracks(5, devices=1, fixes=1).clear()
    found = measure_device_days(fixes)
    assert (found.height, found.columns) == (0, DEVICE_DAYS.schema.names)
    assert measure_dwell(fixes).height == 0
