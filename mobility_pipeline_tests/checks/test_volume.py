from datetime import date

import pytest

from mobility_pipeline.checks.finding import Severity
from mobility_pipeline.checks.volume import (
    Volume,
    baseline_days,
    volume_within_baseline,
)


def _weeks(*rows: int) -> list[Volume]:
    return [Volume(count, count) for count in rows]


def test_the_baseline_is_the_same_weekday_of_8_weeks() -> None:
    """Over a leap day: Monday 4 March 2024 is compared with 8 Mondays."""
    days = baseline_days(date(2024, 3, 4))
    assert days[0] == date(2024, 2, 26)
    assert days[-1] == date(2024, 1, 8)
    assert {day.weekday() for day in days} == {0}
    assert len(days) == 8


def test_less_than_70_per_cent_of_the_median_is_a_warning() -> None:
    """The median of 90, 100, 250 is 100: 70 rows pass by share, 69 do not."""
    weeks = _weeks(90, 100, 250)
    found = volume_within_baseline(Volume(69, 69), weeks)
    assert (found.passed, found.severity) == (False, Severity.WARN)
    assert found.numbers["rows_of_median"] == 0.69
    assert "69 rows are 69% of the usual 100" in found.message
    assert volume_within_baseline(Volume(70, 70), weeks).passed


def test_more_than_3_deviations_is_a_warning_on_either_side() -> None:
    """98, 100, 102: mean 100, sample deviation 2; 106 is 3 of them and passes."""
    weeks = _weeks(98, 100, 102)
    assert volume_within_baseline(Volume(106, 106), weeks).passed
    high = volume_within_baseline(Volume(107, 100), weeks)
    assert not high.passed
    assert high.numbers["rows_z"] == pytest.approx(3.5)
    low = volume_within_baseline(Volume(100, 93), weeks)
    assert not low.passed
    assert low.numbers["devices_z"] == pytest.approx(-3.5)


def test_it_is_quiet_until_3_weeks_exist() -> None:
    """Two weeks say nothing of an empty day; the third does."""
    assert volume_within_baseline(Volume(0, 0), _weeks(100, 100)).passed
    assert not volume_within_baseline(Volume(0, 0), _weeks(100, 100, 100)).passed


def test_equal_weeks_have_no_deviation() -> None:
    """More rows than ever, against weeks that were all alike: no division by zero."""
    found = volume_within_baseline(Volume(120, 120), _weeks(100, 100, 100))
    assert found.passed
    assert "rows_z" not in found.numbers


def test_weeks_known_to_be_empty_have_no_share() -> None:
    """A median of 0: nothing can be less, and there is no share of it."""
    found = volume_within_baseline(Volume(0, 0), _weeks(0, 0, 0))
    assert found.passed
    assert "rows_of_median" not in found.numbers
