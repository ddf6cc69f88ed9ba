import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import ManifestError
from mobility_pipeline.lake.manifest import Manifest, ManifestFile, Source

DAY = CityDay("space/moon", date(2024, 5, 1))
MANIFEST = Manifest(
    feed="pings_full",
    city="space/moon",
    date=date(2024, 5, 1),
    state="delivered",
    rows=2,
    devices=1,
    bytes=900,
    first_ping_at=datetime(2024, 5, 1, 12, tzinfo=UTC),
    last_ping_at=datetime(2024, 5, 1, 13, 0, 0, 500_000, tzinfo=UTC),
    files=(ManifestFile(name="part-0.parquet", rows=2, bytes=900, sha256="a" * 64),),
    source=Source(
        job_id="job-1",
        request_sha256="b" * 64,
        area_id="moon-cccccccc",
        boundary_sha256="c" * 64,
    ),
    cast_failures=3,
    rejected={"no_area": 4},
)


def test_the_fields_are_those_of_the_contract() -> None:
    """Design § 4.1, field by field, in JSON; times end in Z."""
    assert json.loads(MANIFEST.to_json()) == {
        "version": 1,
        "feed": "pings_full",
        "city": "space/moon",
        "date": "2024-05-01",
        "state": "delivered",
        "rows": 2,
        "devices": 1,
        "bytes": 900,
        "first_ping_at": "2024-05-01T12:00:00Z",
        "last_ping_at": "2024-05-01T13:00:00.500000Z",
        "files": [
            {"name": "part-0.parquet", "rows": 2, "bytes": 900, "sha256": "a" * 64}
        ],
        "source": {
            "job_id": "job-1",
            "request_sha256": "b" * 64,
            "area_id": "moon-cccccccc",
            "boundary_sha256": "c" * 64,
        },
        "cast_failures": 3,
        "rejected": {"no_area": 4},
    }


def test_reading_gives_back_what_was_written() -> None:
    """JSON and back is the same manifest, and the same bytes again."""
    read = Manifest.from_json(MANIFEST.to_json(), DAY)
    assert read == MANIFEST
    assert read.to_json() == MANIFEST.to_json()
    assert read.city_day == DAY


def test_order_of_insertion_and_time_zone_do_not_show() -> None:
    """Equal facts give equal bytes."""
    tokyo = timezone(timedelta(hours=9))
    first = MANIFEST.model_copy(update={"rejected": {"b": 1, "a": 2}})
    second = Manifest.model_validate(
        {
            **MANIFEST.model_dump(),
            "rejected": {"a": 2, "b": 1},
            "first_ping_at": datetime(2024, 5, 1, 21, tzinfo=tokyo),
        }
    )
    assert first.to_json() == second.to_json()


def _change(**fields: Any) -> bytes:
    return json.dumps({**json.loads(MANIFEST.to_json()), **fields}).encode()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not readable"),
        (b"\xff\xfe", "not readable"),
        (b"[]", "not readable"),
        (b'{"version": 1}', "not readable"),
        (_change(version=2), "version"),
        (_change(rows=3), "rows is not the sum"),
        (_change(bytes=1), "bytes is not the sum"),
        (_change(state="empty"), "empty if, and only if"),
        (_change(files=[], rows=0, bytes=0), "empty if, and only if"),
        (_change(city="space/mars"), "is that of space/mars 2024-05-01"),
        (_change(date="2024-05-02"), "is that of space/moon 2024-05-02"),
        (_change(first_ping_at="2024-05-01T12:00:00"), "first_ping_at"),
    ],
)
def test_what_is_not_this_manifest_is_an_error(data: bytes, why: str) -> None:
    """Garbage, other versions, wrong sums and other city-days are named by city-day."""
    with pytest.raises(ManifestError, match=why) as caught:
        Manifest.from_json(data, DAY)
    assert "space/moon 2024-05-01" in str(caught.value)


@pytest.mark.parametrize("name", ["../x.parquet", "a/b.parquet", "x.csv"])
def test_a_file_outside_the_folder_is_refused(name: str) -> None:
    """A manifest names files beside it, nothing else."""
    file = {"name": name, "rows": 2, "bytes": 900, "sha256": "a" * 64}
    with pytest.raises(ManifestError, match=r"files\.0\.name"):
        Manifest.from_json(_change(files=[file]), DAY)
