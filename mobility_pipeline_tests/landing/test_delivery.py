from datetime import date
from typing import TYPE_CHECKING

import pytest

from mobility_pipeline.landing.delivery import DeliveredFile, list_delivery
from mobility_pipeline.landing.storage import Bucket
from mobility_pipeline_tests.landing.store import JOB_PREFIX, put_files

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DAY = date(2024, 5, 1)


@pytest.mark.parametrize("slashes", ["{}", "/{}", "{}/", "/{}/"])
def test_slashes_at_the_ends_of_the_folder_do_not_matter(
    s3: "S3Client", bucket: Bucket, slashes: str
) -> None:
    """The vendor's folder path is found with slashes at its ends or without."""
    put_files(s3, bucket, {"date=2024-05-01/part-00000-x.snappy.parquet": b"12345"})
    folder = slashes.format(JOB_PREFIX.strip("/"))
    delivery = list_delivery(bucket, folder)
    key = JOB_PREFIX + "date=2024-05-01/part-00000-x.snappy.parquet"
    assert delivery.dates == {DAY: (DeliveredFile(key, 5),)}
    assert delivery.prefix == JOB_PREFIX


def test_files_are_sorted_and_markers_ignored(s3: "S3Client", bucket: Bucket) -> None:
    """Only parquet files count, in the order of their keys."""
    put_files(
        s3,
        bucket,
        {
            "_SUCCESS": b"",
            "date=2024-05-01/_SUCCESS": b"",
            "date=2024-05-01/.part-2.parquet": b"x",
            "date=2024-05-01/_tmp.parquet": b"x",
            "date=2024-05-01/part-00000.crc": b"x",
            "date=2024-05-01/part-2.parquet": b"22",
            "date=2024-05-01/part-1.parquet": b"1",
            "date=2024-05-02/part-1.parquet": b"",
        },
    )
    delivery = list_delivery(bucket, JOB_PREFIX)
    names = {
        day: [(file.key.rsplit("/", 1)[-1], file.size) for file in files]
        for day, files in delivery.dates.items()
    }
    assert names == {
        DAY: [("part-1.parquet", 1), ("part-2.parquet", 2)],
        date(2024, 5, 2): [("part-1.parquet", 0)],
    }
    assert delivery.unplaced == ()


def test_a_date_with_markers_only_is_not_delivered(
    s3: "S3Client", bucket: Bucket
) -> None:
    """A date folder without a parquet file is no delivered date."""
    put_files(s3, bucket, {"date=2024-05-01/_SUCCESS": b""})
    assert list_delivery(bucket, JOB_PREFIX).dates == {}


def test_files_outside_every_date_are_named(s3: "S3Client", bucket: Bucket) -> None:
    """Parquet files that belong to no date are not passed over in silence."""
    strays = [
        "date=2024-02-30/p.parquet",
        "date=__HIVE_DEFAULT_PARTITION__/p.parquet",
        "p.parquet",
    ]
    put_files(s3, bucket, dict.fromkeys(strays, b"x"))
    delivery = list_delivery(bucket, JOB_PREFIX)
    assert delivery.dates == {}
    assert delivery.unplaced == tuple(JOB_PREFIX + name for name in strays)


def test_another_job_whose_id_starts_the_same_is_not_listed(
    s3: "S3Client", bucket: Bucket
) -> None:
    """Job 1 does not include the files of job 10."""
    s3.put_object(Bucket=bucket.name, Key="output/un/job-10/date=2024-05-01/p.parquet")
    assert list_delivery(bucket, "output/un/job-1").dates == {}
