"""Every reason of design § 4.2, made by a real vendor and told by the command line."""

from collections import Counter
from datetime import date, timedelta

import dagster as dg
import pytest

from mobility_pipeline.defs.launch import open_instance
from mobility_pipeline.lake.paths import ERASED_NAME
from mobility_pipeline.sandbox.launch import LAKE_BUCKET, Sandbox
from mobility_pipeline.sandbox.s3_client import connect_internally
from mobility_pipeline.vendor.records import CityDayState
from mobility_pipeline_tests.conftest import CITIES, Answer, Workplace

ASSET = dg.AssetKey(["lake", "pings_full"])

REASONS = (
    "delivered",
    "empty",
    "erased",
    "not_delivered",
    "rejected",  # a file that is no parquet
    "rejected",  # an area id that nobody sent
    "job_failed",
    "requested",
    "deferred_quota",
    "not_requested",
)
"""One day each, in this order."""


def _erase(place: Workplace, *more: str, city: str = CITIES[0]) -> Answer:
    return place.run("coverage", "erase", "--city", city, "--json", *more)


def _objects(sandbox: Sandbox) -> dict[str, int]:
    """Return the bytes of each object of the lake, by key."""
    s3 = connect_internally(sandbox.s3_url)
    return {
        item.get("Key", ""): item.get("Size", 0)
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=LAKE_BUCKET)
        for item in page.get("Contents", [])
    }


def _span(start: date, end: date) -> tuple[str, ...]:
    return ("--from", start.isoformat(), "--to", end.isoformat())


def test_every_reason_is_reported_on_its_day(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """Ten days, each made to end otherwise: gaps name eight, the calendar counts all."""
    assert {*REASONS} == {state.value for state in CityDayState}
    first = newest - timedelta(days=len(REASONS) - 1)
    days = [first + timedelta(days=number) for number in range(len(REASONS))]
    _, empty, erased, undelivered, corrupt, unknown, failed, open_, deferred, _ = days
    sandbox.set_vendor_faults(
        empty=[(city.rsplit("/", 1)[-1], empty.isoformat()) for city in CITIES],
        undelivered_dates=[undelivered.isoformat()],
        corrupt_dates=[corrupt.isoformat()],
        unknown_poi_dates=[unknown.isoformat()],
    )
    workplace.request(first, unknown)
    for city in CITIES:
        assert _erase(workplace, *_span(erased, erased), "--yes", city=city).code == 0
    sandbox.set_vendor_faults(fail_jobs=1)
    workplace.request(failed, failed)
    sandbox.set_vendor_faults(never_finish=True)
    workplace.request(open_, open_, VERASET_POLL_TIMEOUT_MINUTES="0.001")
    workplace.request(deferred, deferred, VERASET_MONTHLY_JOBS="3")
    assert len(sandbox.jobs()) == 3

    answer = workplace.run("gaps", *_span(first, newest), "--json").document
    found = {
        (gap["city"], first + timedelta(days=offset)): gap["reason"]
        for gap in answer["gaps"]
        for offset in range(
            (date.fromisoformat(gap["from"]) - first).days,
            (date.fromisoformat(gap["to"]) - first).days + 1,
        )
    }
    assert found == {
        (city, day): reason
        for city in CITIES
        for day, reason in zip(days, REASONS, strict=True)
        if reason not in ("delivered", "empty")
    }
    file = str(workplace.home / "calendar.svg")
    picture = workplace.run(
        "coverage", "picture", *_span(first, newest), file, "--json"
    ).document
    assert picture["states"] == {
        reason: count * len(CITIES) for reason, count in Counter(REASONS).items()
    }


@pytest.fixture
def landed(sandbox: Sandbox, workplace: Workplace, newest: date) -> Workplace:
    """A user with two days of two cities in the lake."""
    workplace.request(newest - timedelta(days=1), newest)
    return workplace


def test_erased_days_are_gone_and_stay_so(
    sandbox: Sandbox, landed: Workplace, newest: date
) -> None:
    """One city's day goes for good: no object, no drift, no job asks for it again."""
    objects = _objects(sandbox)
    answer = _erase(landed, *_span(newest, newest), "--yes")
    (done,) = answer.document["erased"]
    assert (answer.code, done["days"], done["stored_days"]) == (0, 1, 1)
    prefix = f"data/{CITIES[0]}/date={newest}/"
    gone = {key: size for key, size in objects.items() if key.startswith(prefix)}
    assert (done["files"], done["bytes"]) == (len(gone), sum(gone.values()))
    left = _objects(sandbox)
    assert left.pop(prefix + ERASED_NAME) > 0
    assert left == {key: size for key, size in objects.items() if key not in gone}
    again = landed.request(newest, newest, "--refresh")
    assert [missing["reason"] for missing in again.document["missing"]] == ["erased"]
    (_, refresh) = sandbox.jobs()
    assert "nairobi" in str(refresh["request"])
    assert "vancouver" not in str(refresh["request"])
    assert landed.run("coverage", "check", "--json").document == {"drift": []}
    landed.run("coverage", "rebuild")
    gaps = landed.run("gaps", *_span(newest, newest), "--json").document["gaps"]
    assert [(gap["city"], gap["reason"]) for gap in gaps] == [(CITIES[0], "erased")]
    with open_instance(landed.home / "dagster") as instance:
        (record,) = instance.fetch_observations(ASSET, limit=10).records
    observation = record.asset_observation
    assert observation is not None
    assert str(observation.partition) == f"{CITIES[0]}|{newest}"
    assert observation.metadata["state"].value == "erased"


def test_nothing_is_erased_before_it_is_meant(
    sandbox: Sandbox, landed: Workplace, newest: date
) -> None:
    """A dry run and a call without --yes say what would go, and change nothing."""
    objects = _objects(sandbox)
    span = _span(newest - timedelta(days=1), newest)
    dry = _erase(landed, *span, "--dry-run")
    assert (dry.code, dry.document["erased"]) == (0, [])
    (planned,) = dry.document["planned"]
    assert (planned["days"], planned["stored_days"]) == (2, 2)
    refused = _erase(landed, *span)
    assert (refused.code, "--yes" in str(refused.document["error"])) == (2, True)
    assert _objects(sandbox) == objects
    assert landed.run("gaps", *span, "--json").document["gaps"] == []


def test_day_that_is_on_its_way_is_not_landed_once_it_is_erased(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """Its vendor job goes on for the other city."""
    sandbox.set_vendor_faults(hold_seconds=2)
    workplace.request(newest, newest, VERASET_POLL_TIMEOUT_MINUTES="0.001")
    _erase(workplace, *_span(newest, newest), "--yes")
    answer = workplace.request(newest, newest)
    assert [missing["city"] for missing in answer.document["missing"]] == [CITIES[0]]
    tombstone = f"data/{CITIES[0]}/date={newest}/{ERASED_NAME}"
    landed = [key for key in _objects(sandbox) if key != tombstone]
    assert all(CITIES[1] in key for key in landed)
    assert len(sandbox.jobs()) == 1
