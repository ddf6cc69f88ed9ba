"""Rows in are rows attributed and rejected; rows out are those attributed."""

from collections.abc import Callable
from datetime import date

import pytest

from mobility_pipeline.errors import ConservationError
from mobility_pipeline.landing import split
from mobility_pipeline.landing.shuffle import SpilledBucket
from mobility_pipeline.landing.split import SplitDate, check_conservation
from mobility_pipeline_tests.landing.deliveries import (
    Way,
    make_pings,
    read_tables,
    splitting,
    splitting_tables,
)
from mobility_pipeline_tests.landing.losing import LosingShuffle
from mobility_pipeline_tests.landing.store import MARS, MOON, to_parquet


@pytest.mark.parametrize(
    ("rows_in", "attributed", "rejected"), [(3, 1, 1), (2, 2, 1), (1, 1, 1)]
)
def test_lost_or_made_up_rows_stop_the_date(
    rows_in: int, attributed: int, rejected: int
) -> None:
    """Numbers that do not add up are an error, whichever of them is wrong."""
    with pytest.raises(ConservationError, match="2024-05-01"):
        check_conservation(date(2024, 5, 1), rows_in, attributed, {"x": rejected})


def _lose(bucket: SpilledBucket) -> None:
    bucket._pieces.pop()


def _repeat(bucket: SpilledBucket) -> None:
    bucket._pieces.append(bucket._pieces[0])


def _lose_all(bucket: SpilledBucket) -> None:
    bucket._pieces.clear()


@pytest.mark.parametrize("tamper", [_lose, _repeat, _lose_all])
def test_a_city_with_other_rows_than_its_own_is_an_error(
    tamper: Callable[[SpilledBucket], None],
) -> None:
    """Rows lost or doubled on disk stop their city, at its end; others are as they are."""
    pings = make_pings([("a", ["geo_json_0"]), ("b", ["geo_radius_0"])] * 4)
    way = Way(16, large_file_bytes=1, window_rows=2)
    with splitting([to_parquet(pings)], way) as result:
        tamper(_bucket_of(result, MOON.city))
        for group in result.groups:
            for city, chunks in result.read(group):
                if city == MOON.city:
                    with pytest.raises(ConservationError, match=r"space/moon 2024-05"):
                        list(chunks)
                else:
                    assert sum(c.num_rows for c in chunks) == result.rows[city]


def test_rows_of_another_city_are_an_error() -> None:
    """A piece in the wrong bucket never becomes rows of a city."""
    pings = make_pings([("a", ["geo_json_0"]), ("b", ["geo_radius_0"])] * 4)
    way = Way(16, large_file_bytes=1, window_rows=2)
    with splitting([to_parquet(pings)], way) as result:
        moon, mars = (_bucket_of(result, area.city) for area in (MOON, MARS))
        mars._pieces.append(moon._pieces.pop())
        with pytest.raises(ConservationError):
            read_tables(result)


def _bucket_of(result: SplitDate, city: str) -> SpilledBucket:
    """Return the one bucket that holds a city's rows."""
    (group,) = [group for group in result.groups if city in group.cities]
    (bucket,) = [bucket for bucket in group.rows.buckets if bucket._pieces]
    assert isinstance(bucket, SpilledBucket)
    return bucket


def test_a_shuffle_that_loses_rows_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever goes wrong between counting and reading, the city's count tells."""
    monkeypatch.setattr(split, "Shuffle", LosingShuffle)
    pings = make_pings([("a", ["geo_json_0"]), ("b", ["geo_json_0"])])
    with (
        splitting_tables(pings) as result,
        pytest.raises(ConservationError, match="2 rows attributed, 0 split"),
    ):
        read_tables(result)
