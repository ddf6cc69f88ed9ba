"""The objects of one bucket that holds one feed: list, read, write, delete."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from mobility_pipeline.lake.paths import city_day_prefix
from mobility_pipeline.landing.storage import error_code, storage_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from mobility_pipeline.cities.city import CityDay


class CityDayStore:
    """The objects of one city-day, by name; every failure names city and date."""

    def __init__(self, s3: "S3Client", bucket: str, city_day: "CityDay") -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = city_day_prefix(city_day)
        self._day = f"{city_day.city} {city_day.date}"

    @property
    def uri(self) -> str:
        """The folder's `s3://` address, with a slash at its end."""
        return f"s3://{self._bucket}/{self._prefix}"

    def list_sizes(self) -> dict[str, int]:
        """Return the bytes of each object directly in the folder."""
        sizes: dict[str, int] = {}
        with self._errors("listing"):
            for page in self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix, Delimiter="/"
            ):
                for found in page.get("Contents", []):
                    name = found.get("Key", "").removeprefix(self._prefix)
                    sizes[name] = found.get("Size", 0)
        return sizes

    def get(self, name: str) -> bytes | None:
        """Return an object's bytes, or None where there is none."""
        with self._errors(f"reading {name} of"):
            try:
                answer = self._s3.get_object(
                    Bucket=self._bucket, Key=self._prefix + name
                )
            except ClientError as error:
                if error_code(error) == "NoSuchKey":
                    return None
                raise
            return answer["Body"].read()

    def put(self, name: str, data: bytes, content_type: str) -> None:
        """Store an object whole; S3 shows all of it or none."""
        with self._errors(f"writing {name} of"):
            self._s3.put_object(
                Bucket=self._bucket,
                Key=self._prefix + name,
                Body=data,
                ContentType=content_type,
            )

    def delete(self, name: str) -> None:
        """Delete an object; none there is fine."""
        with self._errors(f"deleting {name} of"):
            self._s3.delete_object(Bucket=self._bucket, Key=self._prefix + name)

    @contextmanager
    def _errors(self, doing: str) -> Generator[None]:
        with storage_errors(f"{doing} {self._day} in s3://{self._bucket}"):
            yield
