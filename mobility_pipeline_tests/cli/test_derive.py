"""`mobility derive` on the sandbox, from pings the vendor's simulator made."""

import io
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import h3
import pyarrow.parquet as pq
import pytest

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.lake.derived import DerivedTables
from mobility_pipeline.resources.analytics import open_derived_tables
from mobility_pipeline.sandbox.launch import LAKE_BUCKET, Sandbox
from mobility_pipeline.sandbox.s3_client import connect_internally
from mobility_pipeline.schemas.derived import DERIVED_TABLES, POSITIONFIXES, PRESENCE
from mobility_pipeline.settings import read_settings
from mobility_pipeline_tests.conftest import Workplace
from mobility_pipeline_tests.fixtures.landed import NAIROBI, VANCOUVER, land

DAY = date(2025, 6, 10)
NEXT = DAY + timedelta(days=1)


def _span(start: date, end: date) -> tuple[str, ...]:
    return ("--from", start.isoformat(), "--to", end.isoformat())


class Objects:
    """The lake's bucket, seen with nothing of ours."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._s3 = connect_internally(sandbox.s3_url)

    def list(self, prefix: str) -> dict[str, tuple[str, datetime]]:
        """Return key -> (ETag, last modified)."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=LAKE_BUCKET, Prefix=prefix
        )
        found: list[Any] = [item for page in pages for item in page.get("Contents", [])]
        return {item["Key"]: (item["ETag"], item["LastModified"]) for item in found}

    def delete(self, key: str) -> None:
        """Delete one object."""
        self._s3.delete_object(Bucket=LAKE_BUCKET, Key=key)

    def rows(self, prefix: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of every part under a prefix."""
        for key in self.list(prefix):
            if key.endswith(".parquet"):
                data = self._s3.get_object(Bucket=LAKE_BUCKET, Key=key)["Body"].read()
                yield from pq.read_table(io.BytesIO(data)).to_pylist()


@pytest.fixture
def objects(sandbox: Sandbox) -> Objects:
    """The lake's bucket."""
    return Objects(sandbox)


@pytest.fixture
def tables(workplace: Workplace) -> DerivedTables:
    """The derived tables."""
    return open_derived_tables(read_settings(workplace.environment))


def test_every_ping_is_counted_and_presence_is_who_was_where(
    workplace: Workplace, objects: Objects, tables: DerivedTables, newest: date
) -> None:
    """Pings are fixes or dropped; sets in plain Python give presence, in both zones."""
    day = newest - timedelta(days=1)
    utc_days = (day - timedelta(days=1), day, newest)
    assert workplace.request(utc_days[0], newest).code == 0
    answer = workplace.run("derive", *_span(day, day), "--json")
    done = {"derived": 2, "missing": [], "failures": []}
    assert (answer.code, answer.document) == (0, done)
    for city, zone in ((VANCOUVER, "America/Vancouver"), (NAIROBI, "Africa/Nairobi")):
        for utc_day in utc_days:
            fixes = tables.read_manifest(POSITIONFIXES, CityDay(city, utc_day))
            assert fixes is not None
            pings = [*objects.rows(f"data/{city}/date={utc_day}/")]
            assert fixes.rows + sum(fixes.dropped.values()) == len(pings) > 0
        who: set[tuple[datetime, str, str]] = set()
        for fix in objects.rows(f"analytics/positionfixes/{city}/"):
            at, region = fix["at"], fix["region_id"]
            if region and at.astimezone(ZoneInfo(zone)).date() == day:
                assert h3.latlng_to_cell(fix["lat"], fix["lon"], 8) == region
                # Both zones are whole hours from UTC.
                hour = at.replace(minute=0, second=0, microsecond=0)
                who.add((hour, region, fix["device_id"]))
        assert {
            (row["hour_at"], row["region_id"]): row["devices_count"]
            for row in objects.rows(f"analytics/presence/{city}/")
            if row["portrait_id"] == 0
        } == Counter((hour, region) for hour, region, _ in who)


def test_deriving_twice_changes_no_object(
    workplace: Workplace, objects: Objects
) -> None:
    """Also where what stood is gone: the same bytes come again."""
    for day in (DAY, NEXT):
        land(workplace, VANCOUVER, day, "a", "b")
    call = ("derive", *_span(DAY, DAY), "--city", VANCOUVER, "--json")
    assert workplace.run(*call).code == 0
    before = objects.list("analytics/")
    assert {key.split("/")[1] for key in before} == {*DERIVED_TABLES}
    assert workplace.run(*call).code == 0
    assert objects.list("analytics/") == before
    for key in before:
        objects.delete(key)
    assert workplace.run(*call).code == 0
    after = objects.list("analytics/")
    assert {key: etag for key, (etag, _) in after.items()} == {
        key: etag for key, (etag, _) in before.items()
    }


def test_days_without_pings_are_named_and_the_others_kept(
    workplace: Workplace, tables: DerivedTables
) -> None:
    """June 11 of Nairobi begins on the 10th in UTC, that of Vancouver on the 11th."""
    for city in (VANCOUVER, NAIROBI):
        land(workplace, city, DAY, "a")
    answer = workplace.run("derive", *_span(DAY, NEXT), "--json")
    missing = [{"city": VANCOUVER, "date": NEXT.isoformat()}]
    assert (answer.code, answer.document["missing"]) == (1, missing)
    assert answer.document["derived"] == 3
    (failure,) = answer.document["failures"]
    assert "1 city-day without pings in the lake" in failure
    assert f"{VANCOUVER} {NEXT}" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert tables.read_manifest(PRESENCE, CityDay(VANCOUVER, NEXT)) is None
    late = tables.read_manifest(PRESENCE, CityDay(NAIROBI, NEXT))
    assert late is not None
    assert late.observed_hours == tuple(
        datetime(2025, 6, 10, hour, tzinfo=UTC) for hour in (21, 22, 23)
    )


def test_other_regions_make_all_tables_anew(
    workplace: Workplace, tables: DerivedTables
) -> None:
    """Resolution 7 in place of 8."""
    land(workplace, VANCOUVER, DAY, "a")
    call = ("derive", *_span(DAY, DAY), "--city", VANCOUVER, "--json")
    for resolution in (8, 7):
        answer = workplace.run(*call, ANALYTICS_H3_RESOLUTION=str(resolution))
        assert answer.code == 0, answer.stderr
        (region,) = tables.read(PRESENCE, CityDay(VANCOUVER, DAY))["region_id"].unique()
        assert h3.get_resolution(region) == resolution


def test_day_of_a_city_between_whole_hours_is_covered_once(
    workplace: Workplace, tables: DerivedTables
) -> None:
    """In Kolkata (UTC+5:30) 25 local hours overlap a UTC day, which has 24."""
    path = workplace.cities / f"{NAIROBI}.geojson"
    path.write_text(path.read_text().replace("Africa/Nairobi", "Asia/Kolkata"))
    for day in (DAY - timedelta(days=1), DAY):
        land(workplace, NAIROBI, day, "a")
    call = ("derive", *_span(DAY, DAY), "--city", NAIROBI, "--json")
    assert workplace.run(*call).code == 0
    for table in (POSITIONFIXES, PRESENCE):
        manifest = tables.read_manifest(table, CityDay(NAIROBI, DAY))
        assert manifest is not None
        assert manifest.coverage_ratio == 1, table.name


def test_table_says_how_many_were_derived(workplace: Workplace) -> None:
    """Without `--json`, for people."""
    land(workplace, VANCOUVER, DAY, "a")
    answer = workplace.run("derive", *_span(DAY, DAY), "--city", VANCOUVER)
    assert answer.code == 0
    assert "1 city-day derived; Dagster run" in answer.stdout


def test_purging_a_city_erases_what_was_derived_of_it(
    workplace: Workplace, objects: Objects
) -> None:
    """All of it, and nothing of another city; the answer says how many files went."""
    for city in (VANCOUVER, NAIROBI):
        land(workplace, city, DAY, "a")
    assert workplace.run("derive", *_span(DAY, DAY), "--json").code == 0
    before = objects.list("analytics/")
    purged = workplace.run("cities", "retire", VANCOUVER, "--purge", "--yes", "--json")
    assert purged.code == 0, purged.stderr
    left = objects.list("analytics/")
    assert set(left) == {key for key in before if "nairobi" in key}
    (done,) = purged.document["purged"]
    assert done["derived_files"] == len(before) - len(left) > 0
    again = workplace.run("cities", "retire", VANCOUVER, "--purge", "--yes", "--json")
    assert again.document["purged"][0]["derived_files"] == 0


def test_erasing_pings_erases_what_was_derived_of_them(
    workplace: Workplace, objects: Objects
) -> None:
    """Deriving again makes what rests on other days; nobody of the erased day is in it."""
    for city in (VANCOUVER, NAIROBI):
        land(workplace, city, DAY, "a")
        land(workplace, city, NEXT, "b")
    assert workplace.run("derive", *_span(DAY, NEXT), "--json").code == 0
    before = objects.list("analytics/")
    call = ("coverage", "erase", *_span(DAY, DAY), "--city", VANCOUVER, "--json")
    dry = workplace.run(*call, "--dry-run")
    assert objects.list("analytics/") == before
    erased = workplace.run(*call, "--yes")
    assert (dry.code, erased.code) == (0, 0)
    left = objects.list("analytics/")
    assert {key for key in left if "nairobi" in key} == {
        key for key in before if "nairobi" in key
    }
    assert {key.rsplit("/", 1)[0] for key in left if "vancouver" in key} == {
        f"analytics/positionfixes/{VANCOUVER}/date={NEXT}"
    }
    (planned,), (done,) = dry.document["planned"], erased.document["erased"]
    assert planned == done
    assert done["derived_files"] == len(before) - len(left)
    assert f"mobility derive --from {DAY} --to {NEXT} --city" in erased.stderr
    again = ("derive", *_span(DAY, NEXT), "--city", VANCOUVER, "--json")
    assert workplace.run(*again).code == 0
    who = {row["device_id"] for row in objects.rows(f"analytics/dwell/{VANCOUVER}/")}
    assert who == {"b"}


def test_profiles_count_and_a_new_file_of_them_counts_anew(
    workplace: Workplace, tables: DerivedTables
) -> None:
    """Portraits 0…6 by hand: `a` is male and 20, then female and 40; `b` has none."""
    land(workplace, VANCOUVER, DAY, "a", "b")
    profiles = workplace.home / "profiles.csv"
    call = ("derive", *_span(DAY, DAY), "--city", VANCOUVER, "--json")
    for person, counts in (
        ("male,20", [2, 1, 0, 0, 1, 0, 1]),
        ("female,40", [2, 0, 1, 0, 0, 1, 1]),
    ):
        profiles.write_text(f"device_id,gender,age\na,{person}\n")
        answer = workplace.run(*call, ANALYTICS_PROFILES=str(profiles))
        assert answer.code == 0, answer.stderr
        rows = tables.read(PRESENCE, CityDay(VANCOUVER, DAY))
        assert rows["devices_count"][:7].to_list() == counts
