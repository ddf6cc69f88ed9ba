from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ConnectionClosedError

from mobility_pipeline.errors import StorageError, StorageForbiddenError
from mobility_pipeline.landing.delivery import DeliveredFile, list_delivery
from mobility_pipeline_tests.landing.store import JOB_PREFIX, put_files

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DAY = date(2024, 5, 1)


@pytest.mark.parametrize("slashes", ["{}", "/{}", "{}/", "/{}/"])
def test_slashes_at_the_ends_of_the_folder_do_not_matter(
    s3: "S3Client", bucket: str, slashes: str
) -> None:
    """The vendor's folder path is found with slashes at its ends or without."""
    put_files(s3, bucket, {"date=2024-05-01/part-00000-x.snappy.parquet": b"12345"})
    folder = slashes.format(JOB_PREFIX.strip("/"))
    delivery = list_delivery(s3, bucket, folder)
    key = JOB_PREFIX + "date=2024-05-01/part-00000-x.snappy.parquet"
    assert delivery.dates == {DAY: (DeliveredFile(key, 5),)}
    assert delivery.prefix == JOB_PREFIX


def test_files_are_sorted_and_markers_ignored(s3: "S3Client", bucket: str) -> None:
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
    delivery = list_delivery(s3, bucket, JOB_PREFIX)
    names = {
        day: [(file.key.rsplit("/", 1)[-1], file.size) for file in files]
        for day, files in delivery.dates.items()
    }
    assert names == {
        DAY: [("part-1.parquet", 1), ("part-2.parquet", 2)],
        date(2024, 5, 2): [("part-1.parquet", 0)],
    }
    assert delivery.unplaced == ()


def test_a_date_with_markers_only_is_not_delivered(s3: "S3Client", bucket: str) -> None:
    """A date folder without a parquet file is no delivered date."""
    put_files(s3, bucket, {"date=2024-05-01/_SUCCESS": b""})
    assert list_delivery(s3, bucket, JOB_PREFIX).dates == {}


def test_files_outside_every_date_are_named(s3: "S3Client", bucket: str) -> None:
    """Parquet files that belong to no date are not passed over in silence."""
    strays = [
        "date=2024-02-30/p.parquet",
        "date=__HIVE_DEFAULT_PARTITION__/p.parquet",
        "p.parquet",
    ]
    put_files(s3, bucket, dict.fromkeys(strays, b"x"))
    delivery = list_delivery(s3, bucket, JOB_PREFIX)
    assert delivery.dates == {}
    assert delivery.unplaced == tuple(JOB_PREFIX + name for name in strays)


def test_another_job_whose_id_starts_the_same_is_not_listed(
    s3: "S3Client", bucket: str
) -> None:
    """Job 1 does not include the files of job 10."""
    s3.put_object(Bucket=bucket, Key="output/un/job-10/date=2024-05-01/p.parquet")
    assert list_delivery(s3, bucket, "output/un/job-1").dates == {}


def test_more_files_than_one_page_are_all_listed(s3: "S3Client", bucket: str) -> None:
    """Listing goes on after the first page, here of two objects."""
    s3.meta.events.register("before-parameter-build.s3.ListObjectsV2", _shorten_pages)
    names = [f"date=2024-05-01/part-{number:05d}.parquet" for number in range(5)]
    put_files(s3, bucket, dict.fromkeys(names, b"x"))
    assert len(list_delivery(s3, bucket, JOB_PREFIX).dates[DAY]) == 5


def test_a_bucket_that_is_not_there_is_permanent(s3: "S3Client") -> None:
    """No such bucket is no reason to ask again."""
    with pytest.raises(StorageForbiddenError, match="NoSuchBucket"):
        list_delivery(s3, "no-such-bucket-anywhere", JOB_PREFIX)


def test_a_server_that_does_not_answer_is_transient(
    s3: "S3Client", bucket: str
) -> None:
    """A connection that fails is worth another try."""
    s3.meta.events.register("before-send.s3.ListObjectsV2", _break_connection)
    with pytest.raises(StorageError, match="listing the delivery"):
        list_delivery(s3, bucket, JOB_PREFIX)


def _break_connection(**_: object) -> None:
    raise ConnectionClosedError(endpoint_url="http://s3")


def _shorten_pages(params: dict[str, Any], **_: object) -> None:
    params["MaxKeys"] = 2
