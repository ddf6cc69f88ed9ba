from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mobility_pipeline.landing.storage import Bucket, OpenBucket
from mobility_pipeline.vendor.ledger import open_ledger
from mobility_pipeline_tests.lake.holdings import Holdings
from mobility_pipeline_tests.lake.jobs import Place, make_place
from mobility_pipeline_tests.landing.store import (
    bucket,
    open_bucket,
    s3,
    s3_server,
    s3_url,
    wire,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["bucket", "open_bucket", "s3", "s3_server", "s3_url", "wire"]


@pytest.fixture
def place(s3: "S3Client", open_bucket: OpenBucket, tmp_path: Path) -> Place:
    """Give an empty delivery and an empty lake."""
    return make_place(s3, open_bucket, tmp_path / "landing")


@pytest.fixture
def holdings(s3: "S3Client", bucket: Bucket, tmp_path: Path) -> Iterator[Holdings]:
    """Give an empty lake and an empty ledger."""
    ledger = open_ledger(f"sqlite:///{tmp_path / 'home' / 'ledger.sqlite'}")
    yield Holdings(s3, bucket, ledger)
    ledger.close()
