"""The objects of one city-day in the bucket of its feed: list, read, write, delete."""

from typing import IO, TYPE_CHECKING

from mobility_pipeline.lake.paths import PINGS_FOLDER, city_day_prefix

if TYPE_CHECKING:
    from mobility_pipeline.cities.city import CityDay
    from mobility_pipeline.landing.storage import Bucket, Content


class CityDayStore:
    """The objects of one city-day, by name; every failure names city and date."""

    def __init__(
        self, bucket: "Bucket", city_day: "CityDay", folder: str = PINGS_FOLDER
    ) -> None:
        """Address one folder; see `city_day_prefix`."""
        self._bucket = bucket
        self._prefix = city_day_prefix(city_day, folder)
        self._day = f"{city_day.city} {city_day.date} in s3://{bucket.name}"

    @property
    def uri(self) -> str:
        """The folder's `s3://` address, with a slash at its end."""
        return f"s3://{self._bucket.name}/{self._prefix}"

    def list_sizes(self) -> dict[str, int]:
        """Return the bytes of each object directly in the folder."""
        return self._bucket.list_folder(self._prefix, f"listing {self._day}")

    def get(self, name: str) -> bytes | None:
        """Return an object's bytes, or None where there is none."""
        doing = f"reading {name} of {self._day}"
        data = self._bucket.get(self._prefix + name, doing)
        return None if data is None else bytes(data)

    def download(self, name: str, file: IO[bytes]) -> bool:
        """Write an object of any size into an empty file; False where there is none."""
        doing = f"reading {name} of {self._day}"
        return self._bucket.download(self._prefix + name, file, doing)

    def put(self, name: str, data: "Content", content_type: str) -> None:
        """Store bytes or a file of any size; S3 shows all of it or none."""
        doing = f"writing {name} of {self._day}"
        self._bucket.put(self._prefix + name, data, content_type, doing)

    def delete(self, name: str) -> None:
        """Delete an object; none there is fine."""
        self._bucket.delete(self._prefix + name, f"deleting {name} of {self._day}")
