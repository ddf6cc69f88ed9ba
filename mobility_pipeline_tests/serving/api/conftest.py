import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from mobility_pipeline.lake.derived import DerivedTables
from mobility_pipeline.landing.storage import OpenBucket
from mobility_pipeline_tests.analytics.test_worked_example import (
    ELEVEN,
    EVENTS,
    PROFILES,
    REGIONS,
    TEN,
    at,
)
from mobility_pipeline_tests.landing.store import (
    open_bucket,
    s3,
    s3_server,
    s3_url,
)
from mobility_pipeline_tests.serving.api.world import (
    DAY,
    SHANGHAI,
    VANCOUVER,
    Client,
    make_answers,
    make_cities,
    publish,
    serve,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["open_bucket", "s3", "s3_server", "s3_url"]


def make_tables(s3: "S3Client", open_bucket: OpenBucket) -> DerivedTables:
    """Give a fresh bucket."""
    name = f"test-{uuid.uuid4()}"
    s3.create_bucket(Bucket=name)
    return DerivedTables(open_bucket(name))


@pytest.fixture(scope="package")
def derived(s3: "S3Client", open_bucket: OpenBucket) -> DerivedTables:
    """Give the worked example in Shanghai, and a crowd on two days of Vancouver."""
    tables, cities = make_tables(s3, open_bucket), make_cities()
    events = [line.split() for line in EVENTS.split("\n") if line]
    example = [(who, at(clock), REGIONS[cell[0]]) for who, cell, clock in events]
    publish(tables, cities[SHANGHAI], DAY, example, [TEN, ELEVEN], PROFILES)
    for number in range(2):
        day = DAY + timedelta(days=number)
        noon = datetime(day.year, day.month, day.day, 19, tzinfo=UTC)
        crowd = [
            (f"d{who:03}", noon + timedelta(hours=who % 3), f"V{1 + (who > 40)}")
            for who in range(90)
        ]
        publish(tables, cities[VANCOUVER], day, crowd)
    return tables


@pytest.fixture(scope="package")
def exact(
    derived: DerivedTables, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """Give an API that hides nothing: k = 1."""
    answers = make_answers(derived, 1, PROFILES)
    with serve(answers, tmp_path_factory.mktemp("exact")) as client:
        yield client


@pytest.fixture(scope="package")
def private(
    derived: DerivedTables, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """Give an API as it is by default: k = 15, no lists of devices."""
    answers = make_answers(derived, 15, PROFILES)
    home = tmp_path_factory.mktemp("private")
    with serve(answers, home, lists_devices=False) as client:
        yield client
