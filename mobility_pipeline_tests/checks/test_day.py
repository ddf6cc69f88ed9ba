from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from mobility_pipeline.checks.day import DateCount, count_on_date, utc_date_matches
from mobility_pipeline.checks.finding import Severity

DAY = date(2024, 2, 29)
MIDNIGHT = datetime(2024, 2, 29, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def _batch(*times: datetime | None) -> pa.RecordBatch:
    column = pa.array(times, pa.timestamp("us", tz="UTC"))
    return pa.RecordBatch.from_pydict({"utc_timestamp": column})


def test_a_day_is_from_midnight_to_the_tick_before_the_next() -> None:
    """Both ends and a tick beyond each: two are on the date."""
    end = MIDNIGHT + timedelta(days=1)
    times = _batch(MIDNIGHT - TICK, MIDNIGHT, end - TICK, end)
    assert count_on_date(times, DAY) == DateCount(rows=4, timed=4, on_date=2)


def test_a_null_time_is_on_no_date() -> None:
    """It is counted apart."""
    assert count_on_date(_batch(None), DAY) == DateCount(rows=1, timed=0, on_date=0)
    assert count_on_date(_batch(), DAY) == DateCount()


def test_one_ping_on_another_date_is_an_error() -> None:
    """However many are right."""
    found = utc_date_matches(DateCount(rows=1_000, timed=1_000, on_date=999))
    assert (found.passed, found.severity) == (False, Severity.ERROR)
    assert found.message == "1 of 1000 pings are on another date"


def test_times_that_are_not_readable_are_a_warning_above_1_per_cent() -> None:
    """1 of 100 passes, 2 do not."""
    assert utc_date_matches(DateCount(rows=100, timed=99, on_date=99)).passed
    found = utc_date_matches(DateCount(rows=100, timed=98, on_date=98))
    assert (found.passed, found.severity) == (False, Severity.WARN)


def test_no_pings_pass() -> None:
    """There is nothing on another date."""
    assert utc_date_matches(DateCount()).passed
